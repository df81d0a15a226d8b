/** A session whose jobs are made of the proxy's own templates. */
import type { SourceShare } from "@sluice/channels"
import type { SessionEvent, SourceSession } from "../upstream/source-session.ts"
import type { TemplateChange } from "./own-templates.ts"

export interface OwnSession extends SourceSession {
  readonly templateChanged: (change: TemplateChange, now: number) => ReadonlyArray<SessionEvent>
  /** The session cannot be used for now. */
  readonly unwell: (message: string) => ReadonlyArray<SessionEvent>
  /** Looks at the time. */
  readonly tick: (now: number) => ReadonlyArray<SessionEvent>
  /** Pushes a block to whoever knows its transactions beside the template provider. Returns whether there is anybody. */
  readonly solve: (found: SourceShare) => boolean
}
