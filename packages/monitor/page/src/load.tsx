/** Shows what a request gives, loads it again every ten seconds, and keeps the old answer until the new one is there. */
import { createResource, type JSX, Show } from "solid-js"
import { beat } from "./live.ts"
import { text } from "./text.ts"

interface Props<A, K> {
  /** Another key is another request. */
  readonly by?: () => K
  readonly from: (key: K) => Promise<A>
  readonly children: (answer: () => A) => JSX.Element
}

export function Load<A, K = undefined>(props: Props<A, K>): JSX.Element {
  const [answer] = createResource(
    () => ({ key: props.by?.() as K, beat: beat() }),
    ({ key }) => props.from(key)
  )
  return (
    <>
      <Show when={answer.error}>
        {(error) => (
          <p class="trouble" role="alert">
            {text.failed}: {error().message}
          </p>
        )}
      </Show>
      <Show when={!answer.error && answer.latest} fallback={answer.error ? undefined : <p>{text.loading}</p>}>
        {(latest) => props.children(latest as () => A)}
      </Show>
    </>
  )
}
