/**
 * Finds secrets in a text, and takes them out: whole, as servers escape them, and in part. `Redacted` hides a value of the
 * program, and `Headers.redact` headers by their names. Neither finds a secret in a text that a server sent.
 */

const marker = "<redacted>"

/** A shorter secret is a placeholder (`none`, `EMPTY`): without it a text would only be unreadable. */
const shortestSecret = 8

/**
 * So many consecutive characters of a secret are taken for a part of it. Parts are what remains where a text was cut: by
 * this library, or by the server before it sent the text.
 */
const partSize = 12

const sampleSize = 6

/** Any part contains a sample that begins at a multiple of this, so that few places of a text have to be looked at. */
const stride = partSize - sampleSize + 1

/** From this length of a text on, an index of the secrets costs less than to search them again and again. */
const indexedFrom = 8 * 1024

/** How a secret reads where a server quotes it in a URL or in JSON. Any other escape leaves parts. */
const escapes: ReadonlyArray<(secret: string) => string> = [
  (secret) => secret,
  encodeURIComponent,
  (secret) => encodeURIComponent(secret).replace(/%../g, (escape) => escape.toLowerCase()),
  (secret) => JSON.stringify(secret).slice(1, -1),
  (secret) => secret.replaceAll("/", "\\/")
]

/** Whether some characters stand in one of the secrets. */
type Holds = (slice: string) => boolean

const index = (secrets: ReadonlyArray<string>, size: number): Holds => {
  const slices = new Set<string>()
  for (const secret of secrets) {
    for (let at = 0; at + size <= secret.length; at++) slices.add(secret.slice(at, at + size))
  }
  return (slice) => slices.has(slice)
}

const withoutParts = (text: string, hasSample: Holds, hasPart: Holds): string => {
  let shown = ""
  let end = -1
  for (let at = 0; at + sampleSize <= text.length; at += stride) {
    if (!hasSample(text.slice(at, at + sampleSize))) continue
    for (let start = Math.max(0, at - stride + 1); start <= at && start + partSize <= text.length; start++) {
      if (!hasPart(text.slice(start, start + partSize))) continue
      if (start > end) shown += text.slice(Math.max(0, end), start) + marker
      end = start + partSize
    }
  }
  return end < 0 ? text : shown + text.slice(end)
}

/** The time it takes is linear in the length of the text. For failures and spans only: events do not pay for it. */
export const makeRedact = (secrets: ReadonlyArray<string>): (text: string) => string => {
  const long = secrets.filter(({ length }) => length >= shortestSecret)
  const forms = [...new Set(long.flatMap((secret) => escapes.map((escape) => escape(secret))))]
    // One may contain another.
    .toSorted((left, right) => right.length - left.length)
  const search: Holds = (slice) => forms.some((form) => form.includes(slice))

  return (text) => {
    const shown = forms.reduce((redacted, form) => redacted.replaceAll(form, marker), text)
    return shown.length < indexedFrom
      ? withoutParts(shown, search, search)
      : withoutParts(shown, index(forms, sampleSize), index(forms, partSize))
  }
}
