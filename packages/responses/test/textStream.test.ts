import { assert, describe, it } from "@effect/vitest"
import * as TextStream from "../src/internal/fetch/textStream.ts"

const make = (maxUnread = Infinity) => {
  let settled = 0
  const stream = TextStream.make({ maxUnread, onCancel: () => Promise.resolve(), onSettled: () => settled++ })
  return { ...stream, settled: () => settled }
}

describe("a text stream", () => {
  it("gives what was written since the last read, as one piece", async () => {
    const { end, readable, settled, write } = make()
    const reader = readable.getReader()
    write("a")
    write("ä")
    assert.deepStrictEqual((await reader.read()).value, new TextEncoder().encode("aä"))
    const next = reader.read()
    write("b")
    assert.deepStrictEqual((await next).value, new TextEncoder().encode("b"))
    end()
    assert.isTrue((await reader.read()).done)
    assert.strictEqual(settled(), 1)
  })

  it("takes nothing more once it has failed, and settles once", async () => {
    const { end, fail, readable, settled, write } = make()
    const reason = new Error("Enough")
    const next = readable.getReader().read()
    fail(reason)
    write("late")
    end()
    fail(new Error("Later"))
    assert.strictEqual(await next.catch((error: unknown) => error), reason)
    assert.strictEqual(settled(), 1)
  })

  it("takes as much as may be unread, and more once that was read", async () => {
    const { readable, write } = make(4)
    const reader = readable.getReader()
    assert.isTrue(write("abc"))
    assert.isFalse(write("de"))
    assert.isTrue(write("d"))
    assert.deepStrictEqual((await reader.read()).value, new TextEncoder().encode("abcd"))
    assert.isTrue(write("efgh"))
  })
})
