/** Changes that operators make: a button asks in a dialog what is to be done, and for the token. */
import { createSignal, For, Show } from "solid-js"
import { hasToken, post, Refused } from "./api.ts"
import { setBeat } from "./live.ts"
import { Problem } from "./load.tsx"
import { text } from "./text.ts"

export interface Field {
  readonly name: string
  readonly label: string
  readonly type?: "text" | "number"
  readonly value?: string
  readonly isOptional?: boolean
  readonly min?: number
  readonly max?: number
}

export interface Change {
  /** What the button and the dialog say. */
  readonly label: string
  readonly about: string
  readonly path: string
  readonly fields?: ReadonlyArray<Field>
  readonly body: (given: Readonly<Record<string, string>>) => unknown
}

const [asked, ask] = createSignal<Change>()
const [done, setDone] = createSignal("")

export function ChangeButton(props: { readonly change: Change; readonly label?: string }) {
  return (
    <button type="button" class="plain" onClick={() => ask(props.change)}>
      {props.label ?? props.change.label}…
    </button>
  )
}

/** The dialog of all buttons, and a line that says that a change was made. */
export function Changing() {
  let timer: ReturnType<typeof setTimeout> | undefined
  const finish = (change: Change): void => {
    ask(undefined)
    setDone(text.change.done(change.label))
    clearTimeout(timer)
    timer = setTimeout(() => setDone(""), 6000)
    setBeat((before) => before + 1)
  }
  return (
    <>
      <Show when={asked()} keyed>
        {(change) => <Dialog change={change} onDone={() => finish(change)} />}
      </Show>
      <p class="done" role="status">
        {done()}
      </p>
    </>
  )
}

function Dialog(props: { readonly change: Change; readonly onDone: () => void }) {
  const [problem, setProblem] = createSignal("")
  const [wantsToken, setWantsToken] = createSignal(!hasToken())
  const [isBusy, setBusy] = createSignal(false)
  let dialog!: HTMLDialogElement
  const submit = async (event: SubmitEvent & { readonly currentTarget: HTMLFormElement }): Promise<void> => {
    event.preventDefault()
    const entries = Array.from(new FormData(event.currentTarget), ([name, value]) => [name, String(value)] as const)
    const { token, ...given } = Object.fromEntries(entries.filter(([, value]) => value !== ""))
    setProblem("")
    setBusy(true)
    try {
      await post(props.change.path, props.change.body(given), token)
      dialog.close()
      props.onDone()
    } catch (error) {
      const isToken = error instanceof Refused && error.status === 401
      if (isToken) setWantsToken(true)
      setProblem(isToken ? text.token.wrong : error instanceof Error ? error.message : String(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <dialog
      ref={(element) => {
        dialog = element
        queueMicrotask(() => element.showModal())
      }}
      aria-labelledby="change"
      onClose={() => ask(undefined)}
    >
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="change">{props.change.label}</h2>
        <p>{props.change.about}</p>
        <For each={props.change.fields ?? []}>
          {({ isOptional = false, label, max, min = 1, name, type = "text", value = "" }) => (
            <label>
              {label}
              <input name={name} type={type} value={value} required={!isOptional} min={min} max={max} maxlength={255} />
            </label>
          )}
        </For>
        <Show when={wantsToken()}>
          <label>
            {text.token.label}
            <input name="token" type="password" autocomplete="current-password" required />
          </label>
        </Show>
        <Problem text={problem()} />
        <footer>
          <button type="button" onClick={() => dialog.close()}>
            {text.change.cancel}
          </button>
          <button type="submit" class="primary" disabled={isBusy()}>
            {props.change.label}
          </button>
        </footer>
      </form>
    </dialog>
  )
}
