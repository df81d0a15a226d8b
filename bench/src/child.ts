/** A process of the benchmark that answers questions, so that its memory and CPU time are measured apart from its clients'. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

interface Tagged {
  readonly _tag: string
}

export interface Child<Question, Answer extends Tagged> {
  /** Asks, and waits for the answer. Fails if the process ends, or answers something else. */
  readonly ask: <Tag extends Answer["_tag"]>(
    tag: Tag,
    question: Question
  ) => Promise<Extract<Answer, { readonly _tag: Tag }>>
  readonly tell: (question: Question) => void
  /** The first message, which answers no question. */
  readonly ready: Extract<Answer, { readonly _tag: "Ready" }>
  readonly stop: () => void
}

/** Starts `node MODULE ARGS`, where the module is a file of this folder, and waits until it is ready. */
export const startChild = async <Question extends object, Answer extends Tagged>(
  module: string,
  args: ReadonlyArray<string> = [],
  execArgv: ReadonlyArray<string> = []
): Promise<Child<Question, Answer>> => {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), args, {
    stdio: "inherit",
    execArgv: [...execArgv]
  })
  const died = once(child, "exit").then(([code]) => {
    throw new Error(`${module} ended with status ${code}`)
  })
  died.catch(() => undefined)
  const next = async <Tag extends Answer["_tag"]>(tag: Tag): Promise<Extract<Answer, { readonly _tag: Tag }>> => {
    const [answer] = (await Promise.race([once(child, "message"), died])) as [Answer]
    if (answer._tag !== tag) throw new Error(`${module} answered ${answer._tag}, not ${tag}`)
    return answer as Extract<Answer, { readonly _tag: Tag }>
  }
  return {
    ready: await next("Ready" as Answer["_tag"] & "Ready"),
    tell: (question) => child.send(question),
    ask: (tag, question) => {
      child.send(question)
      return next(tag)
    },
    stop: () => child.disconnect()
  }
}

/** Ends this process when its parent ends, or does not need it any more. */
export const endWithParent = (): void => {
  process.on("disconnect", () => process.exit())
}
