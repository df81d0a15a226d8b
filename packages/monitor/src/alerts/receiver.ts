/**
 * Those who are told of alerts. One URL names each, with all that is needed to reach it: URLs contain secrets, so no log line and no
 * error has more of them than the host.
 */
import { Effect, Result, Schema } from "effect"
import { createHmac } from "node:crypto"
import type { Notice } from "./alert-machine.ts"

/** A notice could not be delivered. */
export class DeliveryError extends Schema.TaggedError<DeliveryError>("sluice/monitor/DeliveryError")("DeliveryError", {
  message: Schema.String
}) {}

export interface Receiver {
  /** For logs: its kind and host. */
  readonly name: string
  readonly send: (notice: Notice) => Effect.Effect<void, DeliveryError>
}

/**
 * Parses the URL of a receiver:
 *
 * - `webhook+https://HOST/PATH#SECRET`: a POST of JSON, signed with the secret
 * - `ntfy+https://ntfy.sh/TOPIC`, with `:TOKEN@` before the host where a token is needed
 * - `telegram+https://api.telegram.org/botTOKEN?chat_id=CHAT`
 * - `smtps://USER:PASSWORD@HOST?from=ADDRESS&to=ADDRESS`, or `smtp://` with STARTTLS
 *
 * The problem that it fails with does not contain the URL.
 */
export const parseReceiver = (text: string): Result.Result<Receiver, string> => {
  const [, kind = "", rest = ""] = /^(webhook|ntfy|telegram)\+(https?:\/\/.+)$/s.exec(text) ?? []
  const url = URL.parse(kind === "" ? text : rest)
  if (url !== null && kind === "webhook") return webhook(url)
  if (url !== null && kind === "ntfy") return ntfy(url)
  if (url !== null && kind === "telegram") return telegram(url)
  if (url !== null && (url.protocol === "smtp:" || url.protocol === "smtps:")) return mail(url)
  return Result.fail("it begins with none of webhook+https://, ntfy+https://, telegram+https://, smtps:// and smtp://")
}

const TIMEOUT_MS = 10_000

const post = (name: string, url: URL, headers: Readonly<Record<string, string>>, body: string) =>
  Effect.tryPromise({
    try: async () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "error" })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`it answered with status ${response.status}`)
    },
    // The error of fetch may name the URL.
    catch: (error) =>
      new DeliveryError({
        message: `${name}: ${error instanceof Error && error.message.startsWith("it answered") ? error.message : "it cannot be reached"}`
      })
  })

const webhook = (url: URL): Result.Result<Receiver, string> => {
  const secret = decodeURIComponent(url.hash.slice(1))
  if (secret === "") return Result.fail("a webhook needs a secret to sign with, after #")
  url.hash = ""
  const name = `webhook ${url.host}`
  const send = (notice: Notice) => {
    const body = JSON.stringify(notice)
    // The time is signed too, so that nobody can send an old notice again.
    const time = String(Math.floor(notice.at / 1000))
    const signature = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")
    return post(
      name,
      url,
      { "content-type": "application/json", "sluice-time": time, "sluice-signature": `sha256=${signature}` },
      body
    )
  }
  return Result.succeed({ name, send })
}

const title = ({ name, state }: Notice): string => (state === "cleared" ? `Over: ${name}` : name)
const PRIORITY = { critical: "5", warning: "4", news: "3" } as const

const ntfy = (url: URL): Result.Result<Receiver, string> => {
  if (url.pathname.length < 2) return Result.fail("ntfy needs a topic, after the host")
  const token = decodeURIComponent(url.password)
  url.username = url.password = ""
  const name = `ntfy ${url.host}`
  const authorization: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` }
  const send = (notice: Notice) =>
    post(
      name,
      url,
      {
        ...authorization,
        title: title(notice),
        priority: notice.state === "cleared" ? "3" : PRIORITY[notice.severity],
        tags: notice.state === "cleared" ? "white_check_mark" : notice.severity === "news" ? "tada" : "warning"
      },
      notice.message
    )
  return Result.succeed({ name, send })
}

const telegram = (url: URL): Result.Result<Receiver, string> => {
  const chat = url.searchParams.get("chat_id")
  if (chat === null || url.pathname.length < 5) return Result.fail("telegram needs /botTOKEN and ?chat_id=CHAT")
  const target = new URL(`${url.pathname.replace(/\/$/, "")}/sendMessage`, url)
  const name = `telegram ${url.host}`
  const send = (notice: Notice) => {
    const text = `${title(notice)}\n${notice.message}`
    return post(name, target, { "content-type": "application/json" }, JSON.stringify({ chat_id: chat, text }))
  }
  return Result.succeed({ name, send })
}

const mail = (url: URL): Result.Result<Receiver, string> => {
  const from = url.searchParams.get("from")
  const to = url.searchParams.get("to")
  if (from === null || to === null) return Result.fail("mail needs ?from=ADDRESS&to=ADDRESS")
  const user = decodeURIComponent(url.username)
  const isSecure = url.protocol === "smtps:"
  const name = `mail ${url.host}`
  const send = (notice: Notice) =>
    Effect.tryPromise({
      try: async () => {
        // Loaded with the first mail.
        const { createTransport } = await import("nodemailer")
        const transport = createTransport({
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port: url.port === "" ? (isSecure ? 465 : 587) : Number(url.port),
          secure: isSecure,
          // A password never goes over a connection that anybody can read.
          requireTLS: !isSecure && user !== "",
          ...(user === "" ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
          connectionTimeout: TIMEOUT_MS,
          socketTimeout: TIMEOUT_MS
        })
        try {
          await transport.sendMail({ from, to, subject: `Sluice: ${title(notice)}`, text: notice.message })
        } finally {
          transport.close()
        }
      },
      catch: (error) => {
        const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : ""
        return new DeliveryError({ message: `${name}: the mail could not be sent${code}` })
      }
    })
  return Result.succeed({ name, send })
}
