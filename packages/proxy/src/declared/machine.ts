/**
 * A proxy whose miners mine its own templates, as one pure machine: the machine of upstreams with sessions that declare jobs
 * (declared-session.ts), pools' own jobs and solo mining in one list of preference. A block goes to the template provider and to the
 * declarator that knows it, whichever source is in use.
 */
import type { Output } from "@sluice/bitcoin"
import { scriptSigopsCost, serializeOutputs } from "@sluice/bitcoin"
import type { SourceShare } from "@sluice/channels"
import {
  DeclarationClient,
  type DeclarationClientEvent,
  DeclarationFault,
  type TokenMode
} from "@sluice/job-declaration"
import type { JobDeclaration, TemplateDistribution } from "@sluice/protocol"
import type { TemplateMessage } from "@sluice/template-provider"
import type { ServerAddress } from "@sluice/transport"
import { redirected } from "../upstream/redirect.ts"
import { UpstreamMachine, type UpstreamMachineOptions } from "../upstream/machine.ts"
import { type SessionOptions, UpstreamSession } from "../upstream/session.ts"
import type { SourceSession } from "../upstream/source-session.ts"
import { LEAST_SALT, originOf } from "../upstream/upstream-job.ts"
import { DeclarationTally } from "./declaration-tally.ts"
import { DeclaredSession } from "./declared-session.ts"
import type { OwnEvent } from "./event.ts"
import { solutionFor } from "./own-job.ts"
import type { OwnSession } from "./own-session.ts"
import { OwnTemplates, type TemplateChange, type TemplateTransactions } from "./own-templates.ts"
import { SoloSession } from "./solo-session.ts"

export interface DeclaredMachineOptions extends Omit<UpstreamMachineOptions, "upstreams" | "isOwn"> {
  /** The preferred one first. */
  readonly upstreams: ReadonlyArray<
    UpstreamMachineOptions["upstreams"][number] & { readonly declarator?: ServerAddress }
  >
  /** What a block pays while no pool can be used; the last of the list then. */
  readonly solo: { readonly name: string; readonly script: Uint8Array } | undefined
  readonly mode: TokenMode
  readonly tags: Uint8Array
  /** The miner's own outputs for a reward, always of the same scripts. */
  readonly ownOutputs: (reward: bigint) => ReadonlyArray<Output>
  /** Four bytes that differ at each start. */
  readonly run: Uint8Array
  readonly minFeeDelta: bigint
  readonly declareIntervalMs: number
  readonly tokenTimeoutMs: number
  readonly templateTimeoutMs: number
}

/** A pool's declarator. */
interface Declarator {
  readonly configured: ServerAddress
  /** Where it is connected, or will be the next time. */
  server: ServerAddress
  client: DeclarationClient | undefined
  /** Since when it has been away as its Reconnect announced: jobs that the pool knows stay good, so miners stay for a while. */
  movingSince: number | undefined
  readonly tally: DeclarationTally
}

/** How long a declarator may be away after Reconnect. */
const MOVE_TIMEOUT_MS = 10_000

export class DeclaredMachine extends UpstreamMachine {
  readonly #options: DeclaredMachineOptions
  readonly #own: Own

  constructor(options: DeclaredMachineOptions, now: number) {
    const own = new Own(options)
    const { declarators, solo } = own
    super({
      ...options,
      isOwn: (index) => declarators[index] !== undefined || index === solo,
      upstreams: [
        ...options.upstreams.map((upstream, index) =>
          declarators[index] === undefined
            ? upstream
            : { ...upstream, makeSession: (session: SessionOptions, at: number) => own.makeSession(session, at) }
        ),
        ...(options.solo === undefined ? [] : [{ server: NOWHERE, name: options.solo.name, userIdentity: "" }])
      ]
    })
    this.#options = options
    this.#own = own
    own.hasFailed = (index) => this.hasFailed(index)
    if (options.solo !== undefined) {
      const extranonceSize = options.space.fullSize + LEAST_SALT
      this.attach(own.makeSolo(options.solo.script, extranonceSize, now))
    }
    own.constrain()
  }

  /** The events of the proxy's own jobs since the last call. */
  takeOwnEvents(): ReadonlyArray<OwnEvent> {
    for (const [index, declarator] of this.#own.declarators.entries()) {
      const { client } = declarator ?? {}
      if (client?.hasMessages === true) {
        this.#own.events.push({ _tag: "SendDeclarator", index, messages: client.takeMessages() })
      }
    }
    return this.#own.events.splice(0)
  }

  /** The place of solo mining in the list, if it is there. */
  get solo(): number | undefined {
    return this.#own.solo
  }

  /** A pool's declarator; `undefined` for a pool whose own jobs are mined. */
  declarator(index: number): (Pick<Declarator, "server" | "tally"> & { readonly isConnected: boolean }) | undefined {
    const declarator = this.#own.declarators[index]
    return declarator === undefined ? undefined : { ...declarator, isConnected: declarator.client !== undefined }
  }

  /** A connection to a declarator is set up. */
  declaratorConnected(index: number, now: number): void {
    const { mode, tokenTimeoutMs, upstreams } = this.#options
    const declarator = this.#own.declarators[index]!
    const { userIdentity: userIdentifier } = upstreams[index]!
    declarator.client = new DeclarationClient({ mode, userIdentifier, tokenTimeoutMs }, now)
    this.#declared(index)?.attach(declarator.client)
  }

  declaratorReceived(index: number, messages: ReadonlyArray<JobDeclaration.ToClient>, now: number): void {
    const { client } = this.#own.declarators[index]!
    if (client !== undefined) this.#declaratorSaid(index, client.receive(messages, now), now)
  }

  /** The connection to a declarator ended, or none could be made. */
  declaratorLost(index: number, reason: string, now: number): void {
    const declarator = this.#own.declarators[index]!
    const { client } = declarator
    declarator.client = undefined
    client?.end(new DeclarationFault({ reason: "disconnected", message: reason }))
    const session = this.#declared(index)
    session?.detach()
    if (session === undefined || declarator.movingSince !== undefined) return
    this.deliver(session, session.unwell(`its declarator is lost: ${reason}`), now)
  }

  /** The declarator could not be reached where Reconnect sent the proxy: the next attempt is at the configured address. */
  forgetDeclaratorRedirect(index: number): void {
    const declarator = this.#own.declarators[index]!
    declarator.server = declarator.configured
  }

  /** Ends a connection to a declarator for a reason that its messages do not show. */
  failDeclarator(index: number, reason: DeclarationFault["reason"], message: string, now: number): void {
    const { client } = this.#own.declarators[index]!
    if (client === undefined || client.fault !== undefined) return
    const fault = new DeclarationFault({ reason, message })
    client.end(fault)
    this.#declaratorSaid(index, [{ _tag: "Failed", fault }], now)
  }

  /** Messages of the template provider. */
  templatesReceived(messages: ReadonlyArray<TemplateMessage>, now: number): void {
    const own = this.#own
    own.templatesAwaySince = undefined
    own.templatesLost = false
    for (const message of messages) {
      if (message._tag === "NewTemplate" && message.futureTemplate) own.roomCame()
      this.#change(own.templates.receive(message, now), now)
    }
  }

  /** No template provider is connected, or one is again. */
  templatesConnected(isConnected: boolean, now: number): void {
    this.#own.templatesAwaySince = isConnected ? undefined : (this.#own.templatesAwaySince ?? now)
  }

  /** The transactions of a template, or that there are none to be had now. */
  transactionsReceived(
    template: TemplateDistribution.NewTemplate,
    transactions: TemplateTransactions | undefined,
    now: number
  ): void {
    this.#own.asked.delete(template)
    if (transactions !== undefined) this.#own.templates.setTransactions(template, transactions)
    for (const session of this.#sessions()) {
      if (!(session instanceof DeclaredSession)) continue
      const events =
        transactions === undefined ? session.transactionsMissing(template, now) : session.transactionsCame(now)
      this.deliver(session, events, now)
    }
  }

  override tick(now: number): void {
    const own = this.#own
    for (const [index, declarator] of own.declarators.entries()) {
      if (declarator === undefined) continue
      if (declarator.client !== undefined) this.#declaratorSaid(index, declarator.client.tick(now), now)
      if (declarator.movingSince === undefined || now - declarator.movingSince < MOVE_TIMEOUT_MS) continue
      declarator.movingSince = undefined
      if (declarator.client !== undefined) continue
      const session = this.#declared(index)
      const message = `its declarator is not back ${MOVE_TIMEOUT_MS / 1000} s after its Reconnect`
      if (session !== undefined) this.deliver(session, session.unwell(message), now)
    }
    this.#change(own.templates.review(now), now)
    for (const session of this.#sessions()) this.deliver(session, session.tick(now), now)
    const since = own.templatesAwaySince
    if (since !== undefined && !own.templatesLost && now - since >= this.#options.templateTimeoutMs) {
      own.templatesLost = true
      for (const session of this.#sessions()) {
        this.deliver(session, session.unwell("no template provider is connected"), now)
      }
    }
    super.tick(now)
  }

  /** Passes shares on; blocks first. */
  override submit(shares: ReadonlyArray<SourceShare>, now: number): void {
    for (const found of shares) if (found.isBlock) this.#solve(found)
    super.submit(shares, now)
  }

  #solve(found: SourceShare): void {
    const solution = solutionFor(found)
    if (solution === undefined) return
    const { session } = originOf(found.job)
    const isPushed = (session as OwnSession).solve(found)
    this.#own.events.push({ _tag: "Solution", solution, isPushed })
  }

  #change(change: TemplateChange | undefined, now: number): void {
    if (change === undefined) return
    for (const session of this.#sessions()) this.deliver(session, session.templateChanged(change, now), now)
  }

  #declaratorSaid(index: number, events: ReadonlyArray<DeclarationClientEvent>, now: number): void {
    const session = this.#declared(index)
    for (const event of events) {
      if (event._tag === "TokenReady") this.#own.constrain()
      if (event._tag === "Reconnect") {
        this.#redirect(index, event, now)
        continue
      }
      if (session !== undefined) this.deliver(session, session.declaratorSaid(event, now), now)
      if (event._tag !== "Failed") continue
      this.#own.events.push({ _tag: "DeclaratorFailed", index, fault: event.fault })
      if (session !== undefined && event.fault.reason !== "reconnect")
        this.deliver(session, session.unwell(`its declarator failed: ${event.fault.message}`), now)
    }
  }

  #redirect(index: number, { host, port }: { readonly host: string; readonly port: number }, now: number): void {
    const declarator = this.#own.declarators[index]!
    const to = redirected(declarator.server, host, port)
    if (to === undefined) return
    declarator.server = to
    declarator.movingSince ??= now
    this.failDeclarator(index, "reconnect", `it asked the proxy to connect to ${to.host}:${to.port} (Reconnect)`, now)
  }

  #declared(index: number): DeclaredSession | undefined {
    const session = this.session(index)
    return session instanceof DeclaredSession ? session : undefined
  }

  /** The sessions with jobs of the proxy's own. */
  *#sessions(): Iterable<OwnSession> {
    const { declarators, solo } = this.#own
    for (const index of declarators.keys()) {
      const session = this.#declared(index)
      if (session !== undefined) yield session
    }
    if (solo !== undefined) yield this.session(solo) as SoloSession
  }
}

/** What the sessions with jobs of the proxy's own share. */
class Own {
  readonly templates: OwnTemplates
  readonly declarators: ReadonlyArray<Declarator | undefined>
  readonly solo: number | undefined
  readonly events: Array<OwnEvent> = []
  /** Templates whose transactions were asked for. */
  readonly asked = new Set<TemplateDistribution.NewTemplate>()
  hasFailed: (index: number) => boolean = () => false
  templatesAwaySince: number | undefined
  templatesLost = false
  readonly #options: DeclaredMachineOptions
  readonly #ownSize: number
  readonly #ownSigops: number
  /** The room that was asked for, and the one that the present templates have, for outputs in all. */
  #asked = { size: -1, sigops: -1 }
  #room = -1

  constructor(options: DeclaredMachineOptions) {
    const { declareIntervalMs: intervalMs, minFeeDelta, ownOutputs, solo, upstreams } = options
    this.#options = options
    this.templates = new OwnTemplates({ minFeeDelta, intervalMs })
    this.declarators = upstreams.map(({ declarator }) =>
      declarator === undefined
        ? undefined
        : {
            configured: declarator,
            server: declarator,
            client: undefined,
            movingSince: undefined,
            tally: new DeclarationTally()
          }
    )
    this.solo = solo === undefined ? undefined : upstreams.length
    const own = ownOutputs(0n)
    this.#ownSize = serializeOutputs(own).length
    this.#ownSigops = sigopsOf(own)
  }

  makeSession(options: SessionOptions, now: number): SourceSession {
    const { index } = options
    const { client, tally } = this.declarators[index]!
    const { ownOutputs, tags } = this.#options
    return new DeclaredSession(new UpstreamSession({ ...options, customJobs: true }, now), client, {
      tags,
      ownOutputs,
      room: () => this.#room - this.#ownSize,
      needTransactions: (template) => {
        if (this.asked.has(template)) return
        this.asked.add(template)
        this.events.push({ _tag: "NeedTransactions", template })
      },
      unusable: (templateId, reason) => this.events.push({ _tag: "Unusable", templateId, reason }),
      templates: this.templates,
      tally,
      isProven: !this.hasFailed(index)
    })
  }

  makeSolo(script: Uint8Array, extranonceSize: number, now: number): SoloSession {
    const { run: prefix, tags } = this.#options
    const size = serializeOutputs([{ value: 0n, script }]).length
    return new SoloSession(
      {
        index: this.solo!,
        // The serials of other sessions begin at 1.
        serial: 0,
        script,
        tags,
        prefix,
        extranonceSize,
        hasRoom: () => size <= this.#room,
        unusable: (templateId, reason) => this.events.push({ _tag: "Unusable", templateId, reason })
      },
      now
    )
  }

  /** Asks for as much room as the outputs of any source need. It never becomes less. */
  constrain(): void {
    let { sigops, size } = this.#asked
    for (const declarator of this.declarators) {
      const outputs = declarator?.client?.outputs
      if (outputs === undefined) continue
      size = Math.max(size, outputs.bytes.length + this.#ownSize)
      sigops = Math.max(sigops, outputs.sigops + this.#ownSigops)
    }
    const { solo } = this.#options
    if (solo !== undefined) {
      const output = [{ value: 0n, script: solo.script }]
      size = Math.max(size, serializeOutputs(output).length)
      sigops = Math.max(sigops, sigopsOf(output))
    }
    if (size === this.#asked.size && sigops === this.#asked.sigops) return
    this.#asked = { size, sigops }
    const constraints = { coinbaseOutputMaxAdditionalSize: size, coinbaseOutputMaxAdditionalSigops: sigops }
    this.events.push({ _tag: "Constrain", constraints })
  }

  /** A future template came: the provider answers another room with one, and a SetNewPrevHash that names it (7.1). */
  roomCame(): void {
    this.#room = this.#asked.size
  }
}

const sigopsOf = (outputs: ReadonlyArray<Output>): number =>
  outputs.reduce((sum, { script }) => sum + scriptSigopsCost(script), 0)

/** Solo mining has no server. */
const NOWHERE: ServerAddress = { host: "", port: 0, security: { _tag: "plain" } }
