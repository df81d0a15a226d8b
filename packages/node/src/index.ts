export * from "./notifications/node-notifications.ts"
export * as NodeNotificationsZmq from "./notifications/node-notifications-zmq.ts"
export type { NodeCredentials } from "./rpc/node-credentials.ts"
export * from "./rpc/node-answers.ts"
export * from "./rpc/node-rpc-error.ts"
export * as NodeRpcGroup from "./rpc/node-rpc-group.ts"
export * as NodeRpcHttp from "./rpc/node-rpc-http.ts"
export * from "./rpc/node-rpc.ts"
export {
  BlockTemplate,
  decodeBlockTemplate,
  TemplateTransaction,
  type TransactionCosts
} from "./template/block-template.ts"
export {
  readTemplateAnswer,
  type TemplateTransactions,
  transactionsOf,
  withoutTransactions
} from "./template/template-answer.ts"
