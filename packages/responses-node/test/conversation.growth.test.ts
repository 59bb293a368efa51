/**
 * Conversations that grow, are made smaller, and are loaded by another process, against the local server. It says of each
 * response what its model saw, and of each request what travelled.
 */
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { Conversation, ConversationJournal, ResponseItem, ResponseScript, ResponseTool } from "effect-responses"
import * as Context from "effect-responses-server/Context"
import * as ResponsesServer from "effect-responses-server/ResponsesServer"
import type * as Profile from "effect-responses/Profile"
import * as Profiles from "effect-responses/Profile"
import type * as Responses from "effect-responses/Responses"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeResponsesHttp from "../src/NodeResponsesHttp.ts"
import * as NodeResponsesSocket from "../src/NodeResponsesSocket.ts"

const look = ResponseTool.make({
  name: "look",
  parameters: Schema.Struct({ what: Schema.String }),
  handler: ({ what }) => Effect.succeed(`${what} seen`)
})

const settings = {
  model: "test",
  instructions: "Be brief.",
  tools: [look],
  // Without it a history that is not stored has less reasoning than the server.
  include: ["reasoning.encrypted_content"]
}

const socket = ({ url }: ResponsesServer.Service, profile?: Profile.Profile) =>
  NodeResponsesSocket.layer({ baseUrl: url, profile })

const http = ({ url }: ResponsesServer.Service) => NodeResponsesHttp.layer({ baseUrl: url })

type Opened = Pick<Responses.OpenResponse, "input" | "recoveries" | "reason" | "continues">

/** Remembers how each request travelled. */
const watched = () => {
  const opened: Array<Opened> = []
  const onOpen = (response: Responses.OpenResponse) => Effect.sync(() => void opened.push(response))
  return { opened, onOpen, inputs: () => opened.map(({ input }) => input) }
}

/** What travelled in each request. */
const travelled = (server: ResponsesServer.Service) =>
  Effect.map(server.requests, (all) =>
    all.map(({ body: { input, previous_response_id } }) => ({
      previous: previous_response_id,
      items: (Array.isArray(input) ? input : []).map(({ type, role }) => type === "message" ? role : type)
    })))

/** Asks, and judges what the model of the last response saw. */
const ask = Effect.fnUntraced(function*<R, E>(
  server: ResponsesServer.Service,
  conversation: Conversation.Conversation<R, E>,
  input: Conversation.Input
) {
  const answer = yield* conversation.ask(input)
  const history = yield* conversation.history
  const said = history.slice(0, history.length - answer.output.length)
  const seen = (yield* server.contexts).at(-1)
  assert.strictEqual(seen?.hash, Context.hash(said))
  return answer
})

describe("a conversation on one connection", () => {
  const test = (
    name: string,
    run: (server: ResponsesServer.Service) => Effect.Effect<void, unknown, Responses.Responses>
  ) =>
    it.scoped(name, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make()
        yield* Effect.provide(run(server), socket(server))
      }))

  for (const store of [true, false]) {
    test(`keeps its chain with new settings in the middle, store: ${store}`, (server) =>
      Effect.gen(function*() {
        const { inputs, onOpen } = watched()
        const conversation = yield* Conversation.make({ ...settings, store, onOpen })
        const update = ResponseItem.configurationUpdate({ reasoning: { effort: "high" } })
        yield* ask(server, conversation, "0 tool calls")
        yield* ask(server, conversation, [update, ResponseItem.user("1 tool call")])
        yield* ask(server, conversation, "0 tool calls, again")
        assert.deepStrictEqual(inputs(), ["full", "delta", "delta", "delta"])
        assert.deepStrictEqual((yield* travelled(server))[1]?.items, ["configuration_update", "user"])
      }))

    test(`keeps its chain when it is compacted on demand, store: ${store}`, (server) =>
      Effect.gen(function*() {
        const { inputs, onOpen } = watched()
        const conversation = yield* Conversation.make({ ...settings, store, onOpen })
        const update = ResponseItem.configurationUpdate({ reasoning: { effort: "high" } })
        yield* conversation.ask([update, ResponseItem.user("2 tool calls")])
        yield* conversation.compact
        const history = yield* conversation.history
        assert.deepStrictEqual(history.map(({ type }) => type), ["configuration_update", "compaction"])
        const { output } = yield* conversation.ask("1 tool call")
        yield* conversation.compact
        yield* conversation.ask("0 tool calls")
        assert.deepStrictEqual(inputs(), ["full", ...Array.from({ length: 7 }, () => "delta" as const)])
        assert.strictEqual(output.length, 1)
        const sent = yield* travelled(server)
        assert.deepStrictEqual(sent[3]?.items, ["compaction_trigger"])
        assert.deepStrictEqual(sent[4]?.items, ["user"])
        // The model goes on from the compaction alone, and the new message.
        assert.strictEqual((yield* server.contexts)[4]?.items, 2)
      }))

    test(`keeps its chain when the server compacts it, and sends no more than that in full, store: ${store}`, (server) =>
      Effect.gen(function*() {
        const { inputs, onOpen } = watched()
        const conversation = yield* Conversation.make({
          ...settings,
          store,
          onOpen,
          context_management: [{ type: "compaction", compact_threshold: 260 }]
        })
        yield* conversation.ask(`0 tool calls ${"x".repeat(400)}`)
        yield* conversation.ask(`0 tool calls ${"x".repeat(600)}`)
        const { type } = (yield* conversation.history)[0] ?? {}
        assert.strictEqual(type, "compaction")
        // Another one was served since: what is continued is found by what it says.
        const other = yield* Conversation.make({ ...settings, store })
        yield* other.ask("0 tool calls, other")
        yield* conversation.ask("0 tool calls")
        assert.deepStrictEqual(inputs(), ["full", "delta", "delta"])
        yield* server.forget("all")
        yield* ask(server, conversation, "0 tool calls, please")
        assert.deepStrictEqual((yield* travelled(server)).at(-1)?.items, [
          "compaction",
          "assistant",
          "user",
          "assistant",
          "user"
        ])
      }))
  }

  type Trim = ReturnType<typeof Conversation.lastTurns>

  /** Which of nine questions travelled in full. */
  const inFull = (trim: Trim) => (server: ResponsesServer.Service) =>
    Effect.gen(function*() {
      const { inputs, onOpen } = watched()
      const conversation = yield* Conversation.make({ ...settings, store: false, onOpen, trim })
      for (let question = 1; question <= 9; question++) yield* ask(server, conversation, "0 tool calls")
      return inputs().flatMap((input, index) => input === "full" ? [index + 1] : [])
    })

  test("goes in full once when it is trimmed, and then by deltas", (server) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* inFull(Conversation.lastTurns(2))(server), [1, 6, 9])
      assert.deepStrictEqual(yield* inFull(Conversation.lastTurns(2, { whenOver: 5 }))(server), [1, 7])
    }))

  test("goes in full with every question where each one is trimmed", (server) =>
    Effect.gen(function*() {
      const trim = Conversation.lastTurns(2, { whenOver: 2 })
      assert.deepStrictEqual(yield* inFull(trim)(server), [1, 4, 5, 6, 7, 8, 9])
    }))

  test("is trimmed between the rounds of a run, in which its question counts", (server) =>
    Effect.gen(function*() {
      const { inputs, onOpen } = watched()
      const trim = Conversation.lastTurns(1, { whenOver: 1 })
      const conversation = yield* Conversation.make({ ...settings, store: false, onOpen, trim })
      yield* ask(server, conversation, "0 tool calls")
      yield* ask(server, conversation, "2 tool calls")
      assert.deepStrictEqual(inputs(), ["full", "delta", "full", "delta"])
    }))

  test("that was trimmed is another one to the transport, by whether it begins with the same item", (server) =>
    Effect.gen(function*() {
      const { onOpen, opened } = watched()
      const trim = Conversation.lastTurns(1, { whenOver: 1 })
      for (const history of [[], [ResponseItem.message("developer", "Be kind.")]]) {
        const conversation = yield* Conversation.make({ ...settings, store: false, onOpen, trim, history })
        for (const question of ["a", "b", "c"]) yield* ask(server, conversation, `0 tool calls ${question}`)
      }
      const tags = opened.map(({ reason }) => reason?._tag)
      assert.deepStrictEqual(tags, ["First", undefined, "First", "First", undefined, "HistoryChanged"])
    }))
})

const inDirectory = <A, E, R>(use: (directory: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-responses-growth-"))),
    use,
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  )

/** One process of several: its Layer is closed, and its memory gone, when it ends. */
const life = <A, E>(
  directory: string,
  layer: Layer.Layer<Responses.Responses, unknown>,
  use: Effect.Effect<A, E, Responses.Responses | ConversationJournal.ConversationJournal>
) =>
  Effect.provide(
    use,
    Layer.merge(layer, Layer.provide(ConversationJournal.layerFile({ directory }), NodeContext.layer))
  )

describe("a conversation that was loaded", () => {
  interface Lives {
    readonly server: ResponsesServer.Service
    readonly directory: string
  }

  const test = (name: string, run: (lives: Lives) => Effect.Effect<void, unknown>) =>
    it.scoped(name, () =>
      Effect.gen(function*() {
        const server = yield* ResponsesServer.make()
        yield* inDirectory((directory) => run({ server, directory }))
      }))

  const talk = ({ server }: Lives, options: Partial<Conversation.OpenOptions> = {}, input = "2 tool calls") =>
    Effect.gen(function*() {
      const { onOpen, opened } = watched()
      const conversation = yield* Conversation.open({ id: "c", ...settings, onOpen, ...options })
      yield* ask(server, conversation, input)
      return opened
    })

  const two = (
    lives: Lives,
    second: {
      readonly options?: Partial<Conversation.OpenOptions>
      readonly profile?: Profile.Profile
      readonly before?: Effect.Effect<void>
      readonly first?: Partial<Conversation.OpenOptions>
    } = {}
  ) =>
    Effect.gen(function*() {
      const { directory, server } = lives
      yield* life(directory, socket(server), talk(lives, second.first))
      yield* second.before ?? Effect.void
      const opened = yield* life(
        directory,
        socket(server, second.profile),
        talk(lives, second.options, "1 tool call, please")
      )
      const connections = yield* server.connections
      assert.strictEqual(connections.opened, 2)
      return { opened, sent: (yield* travelled(server)).slice(3) }
    })

  test("goes on by its stored response, with a delta", (lives) =>
    Effect.gen(function*() {
      const { opened, sent } = yield* two(lives)
      const last = (yield* lives.server.contexts)[2]?.responseId
      assert.deepStrictEqual(sent.map(({ items }) => items), [["user"], ["function_call_output"]])
      assert.strictEqual(sent[0]?.previous, last)
      assert.deepStrictEqual(opened.map(({ input }) => input), ["delta", "delta"])
      assert.deepStrictEqual(opened.map(({ continues }) => continues), ["stored", "latest"])
      assert.deepStrictEqual(opened.flatMap(({ recoveries }) => recoveries), [])
    }))

  test("goes on in full where the server has forgotten it, which is no failure", (lives) =>
    Effect.gen(function*() {
      const { opened, sent } = yield* two(lives, { before: lives.server.forget("all") })
      assert.deepStrictEqual(opened.map(({ input }) => input), ["full", "delta"])
      assert.deepStrictEqual(opened[0]?.recoveries.map(({ _tag }) => _tag), ["ResentInFull"])
      assert.isString(sent[0]?.previous)
      assert.isUndefined(sent[1]?.previous)
      assert.strictEqual(sent[1]?.items.length, 8)
    }))

  const inFull: ReadonlyArray<readonly [why: string, second: Parameters<typeof two>[1]]> = [
    ["the settings are others", { options: { instructions: "Be long." } }],
    ["nothing was stored", { first: { store: false }, options: { store: false } }],
    ["it is to be stored from now on", { first: { store: false } }],
    ["the ids of the server are not unique", { profile: { ...Profiles.openAi, uniqueIds: false } }],
    ["it has been trimmed since", { options: { trim: (history) => history.slice(-1) } }]
  ]
  for (const [why, second] of inFull) {
    test(`goes on in full where ${why}`, (lives) =>
      Effect.gen(function*() {
        const { opened, sent } = yield* two(lives, second)
        assert.strictEqual(opened[0]?.input, "full")
        assert.deepStrictEqual(opened[0]?.recoveries, [])
        assert.isUndefined(sent[0]?.previous)
        assert.isAbove(sent[0]?.items.length ?? 0, 1)
      }))
  }

  test("goes on by the response that compacted it", (lives) =>
    Effect.gen(function*() {
      const { directory, server } = lives
      yield* life(directory, socket(server), talk(lives))
      const compacted = Effect.flatMap(
        Conversation.open({ id: "c", ...settings }),
        (conversation) => conversation.compact
      )
      yield* life(directory, socket(server), compacted)
      const opened = yield* life(directory, socket(server), talk(lives, {}, "0 tool calls"))
      assert.deepStrictEqual(opened.map(({ input }) => input), ["delta"])
      assert.deepStrictEqual((yield* travelled(server)).slice(3).map(({ items }) => items), [
        ["compaction_trigger"],
        ["user"]
      ])
    }))

  test("goes on in the middle of a round: by the response that called the tools", (lives) =>
    Effect.gen(function*() {
      const { directory, server } = lives
      const broken = ResponseTool.make({
        name: "look",
        parameters: Schema.Struct({ what: Schema.String }),
        handler: () => Effect.fail("no")
      })
      const failing = Effect.gen(function*() {
        const conversation = yield* Conversation.open({
          id: "c",
          ...settings,
          tools: [broken],
          onToolFailure: "fail"
        })
        return yield* Effect.flip(conversation.ask("1 tool call"))
      })
      assert.strictEqual((yield* life(directory, socket(server), failing))._tag, "ToolFailed")
      const resumed = Effect.gen(function*() {
        const { inputs, onOpen } = watched()
        const conversation = yield* Conversation.open({ id: "c", ...settings, onOpen })
        yield* Stream.runDrain(conversation.resume)
        return inputs()
      })
      assert.deepStrictEqual(yield* life(directory, socket(server), resumed), ["delta"])
      assert.deepStrictEqual((yield* travelled(server))[1]?.items, ["function_call_output"])
    }))

  test("goes on in full over HTTP, and over a socket after that by the response that HTTP gave", (lives) =>
    Effect.gen(function*() {
      const { directory, server } = lives
      yield* life(directory, http(server), talk(lives))
      const over = yield* life(directory, http(server), talk(lives, {}, "0 tool calls, please"))
      assert.deepStrictEqual(over.map(({ input }) => input), ["full"])
      const opened = yield* life(directory, socket(server), talk(lives, {}, "0 tool calls"))
      assert.deepStrictEqual(opened.map(({ input }) => input), ["delta"])
    }))

  const failing: ReadonlyArray<
    readonly [how: string, before: (server: ResponsesServer.Service) => Effect.Effect<void>]
  > = [
    ["is not there", (server) => server.forget("all")],
    ["may be why a request fails", () => Effect.void]
  ]
  for (const [how, before] of failing) {
    it.scoped(`does not ask again by a stored response that ${how}`, () =>
      Effect.gen(function*() {
        let fails = false
        const server = yield* ResponsesServer.make({
          script: (request, context) =>
            fails
              ? ResponseScript.error({ status: 500, code: "server_error", message: "Something is wrong." })
              : ResponsesServer.model(request, context)
        })
        const lives = (directory: string) =>
          Effect.gen(function*() {
            yield* life(directory, socket(server), talk({ server, directory }))
            yield* before(server)
            fails = true
            const asked = Effect.gen(function*() {
              const conversation = yield* Conversation.open({ id: "c", ...settings })
              yield* Effect.flip(conversation.ask("0 tool calls"))
              fails = false
              yield* ask(server, conversation, "0 tool calls, please")
            })
            yield* life(directory, socket(server), asked)
          })
        yield* inDirectory(lives)
        const named = (yield* travelled(server)).slice(3).map(({ previous }) => previous !== undefined)
        assert.strictEqual(named[0], true)
        assert.deepStrictEqual(named.slice(1).filter((isNamed) => isNamed), [])
      }))
  }
})
