/** Events as bytes, for a socket and for HTTP. Made by hand, and beforehand where it can be: the server must be cheap. */

/** A text frame as a server sends it: not masked, and a length of one, three or nine bytes. */
const frame = (text: string): Buffer => {
  const payload = Buffer.from(text)
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = 0x81
  if (length < 126) head[1] = length
  else if (length < 65_536) {
    head[1] = 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([head, payload])
}

const typeOf = (text: string): string => /"type":"([^"]*)"/.exec(text)?.[1] ?? ""

const sse = (text: string): Buffer => Buffer.from(`event: ${typeOf(text)}\ndata: ${text}\n\n`)

export interface Encoding {
  readonly transport: "socket" | "sse"
  /** The `stream_id` of the request, which is in all that answers it. */
  readonly lane?: string | undefined
}

const onLane = (text: string, lane: string | undefined): string =>
  lane === undefined ? text : `${text.slice(0, -1)},"stream_id":${JSON.stringify(lane)}}`

export const encode = ({ lane, transport }: Encoding, texts: ReadonlyArray<string>): Buffer =>
  Buffer.concat(texts.map((text) => transport === "socket" ? frame(onLane(text, lane)) : sse(text)))
