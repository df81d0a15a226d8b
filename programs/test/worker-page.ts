/** Statistics of two workers that are no processes: what each of them answers. */
import type { ChannelStats, UserStats } from "@sluice/mining-server"
import { Effect, Exit, Scope } from "effect"
import { onTestFinished } from "vitest"
import { type Answering, makeGathered } from "../src/workers/gathered.ts"
import type { Answers, ControlRequest, Question } from "../src/workers/messages.ts"

const rates = (rate: number) => ({ oneMinute: rate, fiveMinutes: rate, oneHour: rate, sinceStart: rate })

const userWith = (user: string, rate: number, channels: number): UserStats => ({
  user,
  channels,
  accepted: 1,
  acceptedDifficulty: 1,
  refused: {},
  blocks: 0,
  bestDifficulty: 1,
  hashRates: rates(rate),
  firstSeenAt: 1,
  lastShareAt: 1
})

const channelOf = (connectionId: number): ChannelStats => ({
  channel: { connectionId, channelId: 2, kind: "standard", userIdentity: "bob.rig" },
  openedAt: 1,
  accepted: 0,
  acceptedDifficulty: 0,
  refused: {},
  blocks: 0,
  bestDifficulty: 0,
  difficulty: 1,
  hashRates: rates(0)
})

/** bob has three connections on the first worker and two on the second. */
export const makePage = async () => {
  const asked: Array<{ readonly number: number; readonly request: ControlRequest }> = []
  const workerWith = (
    number: number,
    users: ReadonlyArray<UserStats>,
    connections: ReadonlyArray<number>
  ): Answering => {
    const answers: { readonly [Tag in Question["_tag"]]: (question: never) => Answers[Tag] } = {
      Report: () => ({ stats: {}, metrics: "", job: undefined }),
      UserRates: () => new Map(users.map(({ hashRates, user }) => [user, hashRates.fiveMinutes])),
      Users: ({ names }: Extract<Question, { readonly _tag: "Users" }>) =>
        users.filter(({ user }) => names.includes(user)),
      Channels: ({ page }: Extract<Question, { readonly _tag: "Channels" }>) =>
        connections.slice(page.offset, page.offset + page.limit).map(channelOf),
      Plan: () => undefined,
      Control: ({ request }: Extract<Question, { readonly _tag: "Control" }>) => {
        asked.push({ number, request })
        if (request._tag !== "closeChannel") return { value: request._tag === "setGroup" ? 7 : undefined }
        return { refused: { connectionId: connections[0]!, reason: "unknown-channel", message: "there is none" } }
      }
    }
    return {
      number,
      firstConnectionId: connections[0]!,
      ask: (question) => Promise.resolve(answers[question._tag](question as never) as never)
    }
  }
  const first = workerWith(1, [userWith("alice", 60, 0), userWith("bob", 30, 3)], [1, 2, 3])
  const second = workerWith(2, [userWith("carol", 5, 0), userWith("bob", 40, 2)], [1e10 + 1, 1e10 + 2])
  const scope = Scope.makeUnsafe()
  onTestFinished(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const gathered = await Effect.runPromise(makeGathered(new Set([first, second])).pipe(Scope.provide(scope)))
  return { gathered, asked }
}
