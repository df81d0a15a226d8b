/** A client's machine whose methods return the messages and events that they put into the outbox. */
import type { Mining } from "@sluice/protocol"
import {
  ChannelClient,
  type ChannelClientOptions,
  type ClientEvent,
  type ClientOutbox,
  type CustomJobFields,
  type ExtendedChannelRequest,
  type MinedShare,
  Outbox,
  type StandardChannelRequest
} from "../src/index.ts"

export class TestClient {
  readonly #machine: ChannelClient
  readonly #out: ClientOutbox = new Outbox()

  constructor(options: ChannelClientOptions = {}) {
    this.#machine = new ChannelClient(options)
  }

  get channels(): ChannelClient["channels"] {
    return this.#machine.channels
  }

  openStandardChannel(request: StandardChannelRequest): Mining.OpenStandardMiningChannel {
    const requestId = this.#machine.openStandardChannel(request, this.#out)
    return this.#take("OpenStandardMiningChannel", { requestId })
  }

  openExtendedChannel(request: ExtendedChannelRequest): Mining.OpenExtendedMiningChannel {
    const requestId = this.#machine.openExtendedChannel(request, this.#out)
    return this.#take("OpenExtendedMiningChannel", { requestId })
  }

  updateChannel(channelId: number, nominalHashRate: number, maximumTarget: Uint8Array): Mining.UpdateChannel {
    this.#machine.updateChannel(channelId, nominalHashRate, maximumTarget, this.#out)
    return this.#take("UpdateChannel")
  }

  setCustomJob(fields: CustomJobFields): Mining.SetCustomMiningJob {
    const requestId = this.#machine.setCustomJob(fields, this.#out)
    return this.#take("SetCustomMiningJob", { requestId })
  }

  closeChannel(channelId: number, reasonCode: string): Mining.CloseChannel {
    this.#machine.closeChannel(channelId, reasonCode, this.#out)
    return this.#take("CloseChannel")
  }

  submit(
    channelId: number,
    share: MinedShare,
    now: number
  ): Mining.SubmitSharesStandard | Mining.SubmitSharesExtended | undefined {
    const sequenceNumber = this.#machine.submit(channelId, share, now, this.#out)
    if (sequenceNumber !== undefined) {
      const tag = this.channels.get(channelId)?.kind === "standard" ? "SubmitSharesStandard" : "SubmitSharesExtended"
      return this.#take(tag, { sequenceNumber })
    }
    if (this.#out.messages.length > 0) throw new Error("a share was sent without a sequence number")
    return undefined
  }

  receive(messages: ReadonlyArray<Mining.ToClient>, now: number): ReadonlyArray<ClientEvent> {
    this.#machine.receive(messages, now, this.#out)
    if (this.#out.messages.length > 0) throw new Error("the client sent a message by itself")
    return this.#out.takeEvents()
  }

  /** Takes the only message that was sent, and checks its fields. */
  #take<Tag extends Mining.ToServer["_tag"]>(
    tag: Tag,
    fields: { readonly requestId?: number; readonly sequenceNumber?: number } = {}
  ): Extract<Mining.ToServer, { readonly _tag: Tag }> {
    const sent: ReadonlyArray<Mining.ToServer & typeof fields> = this.#out.takeMessages()
    const [message] = sent
    const { requestId, sequenceNumber } = fields
    if (sent.length !== 1 || message?._tag !== tag) throw new Error(`expected one ${tag}, got ${sent.length} messages`)
    if (message.requestId !== requestId || message.sequenceNumber !== sequenceNumber) {
      throw new Error(`the returned number is not the one in the ${tag}`)
    }
    return message as Extract<Mining.ToServer, { readonly _tag: Tag }>
  }
}
