/** Shows the answer to a request, loads it again every ten seconds, and keeps the old answer until the new one is there. */
import { batch, createEffect, createSignal, type JSX, on, Show } from "solid-js"
import { createStore, reconcile } from "solid-js/store"
import type { Page } from "../../src/api/page.ts"
import { beat } from "./live.ts"
import { text } from "./text.ts"

/** Asks for each key, and again with each beat. An answer that a newer request has overtaken is dropped. */
export const createAnswer = <A, K>(by: () => K, from: (key: K) => Promise<A>, use: (answer: A) => void) => {
  const [problem, setProblem] = createSignal("")
  let asked = 0
  const load = async (key: K): Promise<void> => {
    const mine = ++asked
    try {
      const answer = await from(key)
      if (mine === asked) batch(() => (use(answer), setProblem("")))
    } catch (error) {
      if (mine === asked) setProblem(`${text.failed}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  createEffect(on([by, beat], ([key]) => void load(key)))
  return problem
}

/**
 * The items of a list that is loaded again and again. An item stays the same object, so that only cells whose value changed are
 * drawn again, and what has the focus keeps it.
 */
export const createItems = <A extends object>() => {
  const [page, setPage] = createStore<Page<A>>({ total: -1, offset: 0, items: [] })
  return [page, (answer: Page<A>) => setPage(reconcile(answer, { key: null, merge: true }))] as const
}

export function Problem(props: { readonly text: string }) {
  return (
    <Show when={props.text}>
      <p class="trouble" role="alert">
        {props.text}
      </p>
    </Show>
  )
}

interface Props<A, K> {
  /** Another key is another request. */
  readonly by?: () => K
  readonly from: (key: K) => Promise<A>
  readonly children: (answer: () => A) => JSX.Element
}

export function Load<A, K = undefined>(props: Props<A, K>): JSX.Element {
  const [answer, setAnswer] = createSignal<A>()
  const problem = createAnswer(
    () => props.by?.() as K,
    (key) => props.from(key),
    (found) => setAnswer(() => found)
  )
  return (
    <>
      <Problem text={problem()} />
      <Show when={answer()} fallback={<Show when={!problem()}>{<p class="quiet">{text.loading}</p>}</Show>}>
        {(found) => props.children(found as () => A)}
      </Show>
    </>
  )
}
