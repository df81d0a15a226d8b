/** Faults to put between an endpoint and the kit, which make a broken variant of the endpoint. */
import { Frame, type Message, TemplateDistribution } from "@sluice/protocol"
import type { Fault } from "./worlds.ts"

/** The frame as bytes again. */
export const bytesOf = ({ extensionType, messageType, payload }: Frame): Uint8Array => {
  const bytes = new Uint8Array(Frame.headerSize + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, extensionType, true)
  bytes[2] = messageType
  view.setUint16(3, payload.length & 0xffff, true)
  bytes[5] = payload.length >> 16
  bytes.set(payload, Frame.headerSize)
  return bytes
}

export const isOf = (frame: Frame, message: Pick<Message, "type" | "extension">): boolean =>
  frame.messageType === message.type && Frame.extension(frame) === message.extension

type AnyMessage = {
  readonly type: number
  readonly extension: number
  readonly codec: Message["codec"]
  readonly Type: object
}

/** Changes messages of one kind on their way out; `[]` keeps them back, several send them all. */
export const sending = <M extends AnyMessage>(
  message: M,
  change: (value: M["Type"]) => M["Type"] | ReadonlyArray<M["Type"]>
): Fault => ({
  send: (frame) => {
    if (!isOf(frame, message)) return [bytesOf(frame)]
    const changed = change(message.codec.decode(frame.payload) as M["Type"])
    return (Array.isArray(changed) ? changed : [changed]).map((value) => message.codec.encode(value as never))
  }
})

/** Changes messages of one kind before the endpoint sees them. */
export const receiving = <M extends AnyMessage>(message: M, change: (value: M["Type"]) => M["Type"]): Fault => ({
  receive: (frame) => {
    if (!isOf(frame, message)) return [frame]
    return [Frame.read(message.codec.encode(change(message.codec.decode(frame.payload) as M["Type"]) as never))!]
  }
})

/** Frames of one kind with another header or payload. */
export const sendingFrame = (message: Message, change: (frame: Frame) => Frame): Fault => ({
  send: (frame) => [bytesOf(isOf(frame, message) ? change(frame) : frame)]
})

/** Messages of one kind never go out. */
export const dropping = (message: Message): Fault => ({
  send: (frame) => (isOf(frame, message) ? [] : [bytesOf(frame)])
})

/** A template client that asks for the transactions of some template whenever it has solved one. */
export const withEachSolution = (templateIdOf: (solved: bigint) => bigint): Fault => ({
  send: (frame) => {
    const { RequestTransactionData, SubmitSolution } = TemplateDistribution
    if (!isOf(frame, SubmitSolution)) return [bytesOf(frame)]
    const templateId = templateIdOf(SubmitSolution.codec.decode(frame.payload).templateId)
    return [bytesOf(frame), RequestTransactionData.codec.encode(RequestTransactionData.make({ templateId }))]
  }
})

/** One after the other, on what comes in. */
export const both = (first: Fault, second: Fault): Fault => ({
  receive: (frame) => first.receive!(frame).flatMap((changed) => second.receive!(changed))
})
