/**
 * Puts JSON texts together that are printed over several lines. Other lines stay as they are. `Ndjson` of
 * `@effect/platform` takes each line for a text of its own, and fails where a line is no JSON.
 */

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [34, 92, 91, 93, 123, 125]

/** How many more brackets a line opens than it closes. No string of JSON goes on in another line. */
export const depthOf = (line: string): number => {
  let depth = 0
  let isText = false
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at)
    if (isText) {
      if (code === backslash) at++
      else if (code === quote) isText = false
    } else if (code === quote) isText = true
    else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
  }
  return depth
}

/** Not after a space: what is printed inside of something else stands further right. */
export const isOpening = (line: string): boolean => line.startsWith("{") || line.startsWith("[")

export interface JsonLines<Name> {
  readonly line: (line: string) => void
  /** A line that begins something new, which `name` belongs to. */
  readonly begin: (line: string, name: Name) => void
  /** What is open ends without its last brackets. */
  readonly end: () => void
}

export const make = <Name>(onText: (text: string, name: Name | undefined) => void): JsonLines<Name> => {
  let open: Array<string> = []
  let name: Name | undefined
  let depth = 0
  let isFirst = true

  const end = () => {
    if (open.length === 0) return
    const text = open.join("\n")
    open = []
    onText(text, name)
  }

  const add = (line: string) => {
    depth += depthOf(line)
    open.push(line)
    if (depth <= 0) end()
  }

  const begin = (line: string, nameOfLine: Name | undefined) => {
    end()
    const text = isFirst ? line.trim() : line.trimEnd()
    if (text === "") return
    isFirst = false
    name = nameOfLine
    depth = 0
    if (isOpening(text)) add(text)
    else onText(text, name)
  }

  return {
    begin,
    end,
    line: (line) => open.length === 0 ? begin(line, undefined) : add(line)
  }
}
