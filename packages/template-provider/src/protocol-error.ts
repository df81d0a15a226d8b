/** The error of a peer that breaks the Template Distribution Protocol; its connection ends. */
import { Schema } from "effect"

export class TemplateProtocolError extends Schema.TaggedError<TemplateProtocolError>(
  "sluice/template-provider/TemplateProtocolError"
)("TemplateProtocolError", {
  /** The section of the specification. */
  section: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `expected ${this.expected} (section ${this.section}); got ${this.actual}`
  }
}
