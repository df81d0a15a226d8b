/**
 * The options of a role for the setup of its connections (specification, section 3.6), passed to each `dial` and `run`. They
 * belong to the call and not to the layer, so that a proxy can dial its upstream with the flags of its client.
 */
import type { Common, Extension } from "@sluice/protocol"
import { Effect, Schema } from "effect"
import type { Endpoint } from "../endpoint.ts"
import { SetupError } from "./setup-error.ts"

/** The device information of SetupConnection. */
export interface Device {
  readonly vendor: string
  readonly hardwareVersion: string
  readonly firmware: string
  readonly deviceId: string
}

export interface ExtensionOptions {
  /** Extensions to use if the peer supports them too. Default none. */
  readonly extensions?: ReadonlyArray<Extension>
  /** Ids of extensions without which the connection ends. Default none. */
  readonly requiredExtensions?: ReadonlyArray<number>
}

/** What a client sends in SetupConnection. */
export interface ClientSetup extends ExtensionOptions {
  /** The features that the client requires, U32. Default none. */
  readonly flags?: number
  /** Fields that replace those of `SOFTWARE`. */
  readonly device?: Partial<Device>
}

/** A server's rules for SetupConnection. `A` is the type of the value that `accept` passes to the connection's handler. */
export interface ServerSetup<A = undefined, E = never, R = never> extends ExtensionOptions {
  /** The flags that a client may set, U32. Default none. A client that sets others is refused. */
  readonly supportedFlags?: number
  /** The flags of SetupConnection.Success, U32. Default none. */
  readonly flags?: number
  /**
   * Decides on a client whose protocol, version and flags are supported, before SetupConnection.Success is sent. It runs in the
   * connection's Scope and must complete within the `setupTimeout`. Fibers that should run longer need `Effect.forkScoped`. A
   * `SetupRefusal` is sent to the client as SetupConnection.Error. Any other failure closes the connection.
   */
  readonly accept?: (
    client: Common.SetupConnection,
    remote: Endpoint
  ) => Effect.Effect<Accepted<A>, SetupRefusal | E, R>
}

/** An accepted client: `flags` and `extensions` replace those of `ServerSetup` for its connection. */
export interface Accepted<A> {
  readonly flags?: number
  readonly extensions?: ReadonlyArray<Extension>
  /** The second argument of the connection's handler, such as the connection to an upstream. */
  readonly with?: A
}

/** Refuses a client with these fields of SetupConnection.Error (specification, section 3.6.3). */
export class SetupRefusal extends Schema.TaggedError<SetupRefusal>("sluice/transport/SetupRefusal")("SetupRefusal", {
  /** A code of the specification or of the role, at most 255 bytes. */
  errorCode: Schema.String,
  /** The client's flags that are not supported, U32. Default 0. */
  flags: Schema.Int.pipe(Schema.withConstructorDefault(Effect.succeed(0)))
}) {
  /** The refusal that a proxy's upstream answered, for the proxy's own client; any other error as it is. For `accept`. */
  static passOn<E>(error: E): E | SetupRefusal {
    if (!(error instanceof SetupError) || error.reason._tag !== "RefusedByServer") return error
    const { errorCode, flags } = error.reason
    return new SetupRefusal({ errorCode, flags })
  }

  override get message(): string {
    return `the client is refused with ${this.errorCode}`
  }
}
