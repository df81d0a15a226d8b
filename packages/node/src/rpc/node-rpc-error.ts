/** The errors of calls to a node's JSON-RPC, each with a message that an operator can act on. */
import { Schema } from "effect"

/** No answer: the name does not resolve, nothing listens, the connection broke. */
export class NodeUnreachable extends Schema.TaggedError<NodeUnreachable>("sluice/node/NodeUnreachable")(
  "NodeUnreachable",
  { cause: Schema.String }
) {
  override get message(): string {
    return `cannot be reached (${this.cause}); see that the node runs with server=1 and that host and port are right`
  }
}

/** The node accepted the request and did not answer in time. */
export class NodeTimeout extends Schema.TaggedError<NodeTimeout>("sluice/node/NodeTimeout")("NodeTimeout", {
  timeoutMs: Schema.Finite
}) {
  override get message(): string {
    return `gave no answer within ${this.timeoutMs / 1000} s; the node may be overloaded`
  }
}

/** HTTP 401 or 403, or a cookie file that cannot be read. */
export class NodeBadCredentials extends Schema.TaggedError<NodeBadCredentials>("sluice/node/NodeBadCredentials")(
  "NodeBadCredentials",
  { detail: Schema.String }
) {
  override get message(): string {
    return `does not accept our credentials (${this.detail}); check rpcuser and rpcpassword or the cookie file, and rpcallowip`
  }
}

/** HTTP 503: too many calls wait at the node. */
export class NodeBusy extends Schema.TaggedError<NodeBusy>("sluice/node/NodeBusy")("NodeBusy", {
  detail: Schema.String
}) {
  override get message(): string {
    return `has too many calls waiting (${this.detail}); raise rpcworkqueue and rpcthreads`
  }
}

/** Error -28: the node is starting. */
export class NodeWarmingUp extends Schema.TaggedError<NodeWarmingUp>("sluice/node/NodeWarmingUp")("NodeWarmingUp", {
  detail: Schema.String
}) {
  override get message(): string {
    return `is still starting: ${this.detail}`
  }
}

/** Error -32601: the node does not have the method. */
export class NodeMethodUnknown extends Schema.TaggedError<NodeMethodUnknown>("sluice/node/NodeMethodUnknown")(
  "NodeMethodUnknown",
  {}
) {
  override get message(): string {
    return "does not know the method; expected Bitcoin Core, version 25 or later"
  }
}

/** The node belongs to another network than the wanted one. */
export class NodeWrongChain extends Schema.TaggedError<NodeWrongChain>("sluice/node/NodeWrongChain")("NodeWrongChain", {
  actual: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return (
      `is on chain "${this.actual}", and the provider is told to serve "${this.expected}"; ` +
      `see that host and port are the right node's`
    )
  }
}

/** Any other error that the node answers. */
export class NodeRefused extends Schema.TaggedError<NodeRefused>("sluice/node/NodeRefused")("NodeRefused", {
  /** Bitcoin Core's error code, for example -10 during initial block download, -9 without peers. */
  code: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return `answered error ${this.code}: ${this.detail}`
  }
}

/** The answer has another form than Bitcoin Core's. */
export class NodeBadAnswer extends Schema.TaggedError<NodeBadAnswer>("sluice/node/NodeBadAnswer")("NodeBadAnswer", {
  detail: Schema.String
}) {
  override get message(): string {
    return `answered in a form we do not know: ${this.detail}; see that the URL is that of a Bitcoin node's RPC port`
  }
}

/** A call of a node's JSON-RPC failed; `reason` says how. */
export class NodeRpcError extends Schema.TaggedError<NodeRpcError>("sluice/node/NodeRpcError")("NodeRpcError", {
  /** The URL without credentials, or another name of the node; empty if there is only one node. */
  node: Schema.String,
  method: Schema.String,
  reason: Schema.Union([
    NodeUnreachable,
    NodeTimeout,
    NodeBadCredentials,
    NodeBusy,
    NodeWarmingUp,
    NodeMethodUnknown,
    NodeWrongChain,
    NodeRefused,
    NodeBadAnswer
  ])
}) {
  override get message(): string {
    const node = this.node === "" ? "the node" : `the node at ${this.node}`
    return `${this.method}: ${node} ${this.reason.message}`
  }
}
