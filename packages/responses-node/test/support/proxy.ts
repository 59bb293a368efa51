/** A TCP proxy on loopback between a client and its server: a network that goes silent, is slow, or breaks. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

interface Pair {
  readonly near: Net.Socket
  readonly far: Net.Socket
}

const pass = ({ far, near }: Pair) => {
  near.pipe(far)
  far.pipe(near)
}

export const make = Effect.fnUntraced(function*(server: { readonly url: string }) {
  const { hostname, port } = new URL(server.url)
  const pairs = new Set<Pair>()
  let dials = 0

  const proxy = yield* Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const listener = Net.createServer((near) => {
        dials++
        const far = Net.connect(Number(port), hostname)
        const pair = { near, far }
        pairs.add(pair)
        for (const socket of [near, far]) {
          socket.on("error", () => {})
          socket.once("close", () => {
            pairs.delete(pair)
            near.destroy()
            far.destroy()
          })
        }
        pass(pair)
      })
      listener.listen(0, "127.0.0.1", () => resume(Effect.succeed(listener)))
    }),
    (listener) =>
      Effect.async<void>((resume) => {
        listener.close(() => resume(Effect.void))
        for (const { near } of pairs) near.destroy()
      })
  )
  const address = proxy.address()
  const url = new URL(server.url)
  url.port = String(address !== null && typeof address === "object" ? address.port : 0)

  const each = (f: (pair: Pair) => void) => Effect.sync(() => [...pairs].forEach(f))

  return {
    url: url.href,
    /** How many connections were ever made. */
    dials: () => dials,
    /** From now on nothing gets through on the connections there are, and nobody is told. Later ones are not held. */
    hold: each(({ far, near }) => {
      near.unpipe(far).pause()
      far.unpipe(near).pause()
    }),
    /** What was held arrives, and what comes gets through. */
    release: each(pass),
    /** Ends the connections without a word of the protocol's. */
    cut: each(({ far, near }) => {
      near.destroy()
      far.destroy()
    }),
    reset: each(({ far, near }) => {
      near.resetAndDestroy()
      far.resetAndDestroy()
    })
  }
})

export type Proxy = Effect.Effect.Success<ReturnType<typeof make>>
