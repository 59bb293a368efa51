/** Whether a text is longer than so many bytes of UTF-8. Counted only where the number of characters leaves it open. */
export const isLongerThan = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes)
