/** Figures: a number large, its unit small. */
import { For, type JSX, Show } from "solid-js"

/** `2.40 EH/s`, `7 h 18 min ago`: all that is no number is a unit. */
export function Value(props: { readonly text: string }) {
  return (
    <For each={props.text.split(/\s/)}>
      {(part, index) => (
        <>
          {index() === 0 ? "" : /^[a-zA-Z%]/.test(part) ? "\u00a0" : " "}
          {/^[-−–\d]/.test(part) ? part : <span class="unit">{part}</span>}
        </>
      )}
    </For>
  )
}

interface Props {
  readonly title: string
  readonly value: string
  readonly isBad?: boolean
  readonly isHero?: boolean
  /** How much of it is reached, from 0 to 1. */
  readonly part?: number
  readonly children?: JSX.Element
}

export function Card(props: Props) {
  return (
    <section class="card" classList={{ bad: props.isBad ?? false, hero: props.isHero ?? false }}>
      <h2>{props.title}</h2>
      <p class="value">
        <Value text={props.value} />
      </p>
      <Show when={props.part !== undefined}>
        <div class="meter" aria-hidden="true">
          <div style={{ width: `${Math.min(1, props.part ?? 0) * 100}%` }} />
        </div>
      </Show>
      <div class="about">{props.children}</div>
    </section>
  )
}

/** Smaller figures, side by side. */
export function Facts(props: { readonly children: JSX.Element }) {
  return <dl class="facts">{props.children}</dl>
}

export function Fact(props: { readonly title: string; readonly value: JSX.Element; readonly isBad?: boolean }) {
  return (
    <div classList={{ bad: props.isBad ?? false }}>
      <dt>{props.title}</dt>
      <dd>{typeof props.value === "string" ? <Value text={props.value} /> : props.value}</dd>
    </div>
  )
}
