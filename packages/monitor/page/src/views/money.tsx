/** Money, where a ledger keeps it: who the next block pays, the blocks that paid, and accounts. */
import { Show } from "solid-js"
import type {
  AccountPage,
  AccountView,
  EntryView,
  Payments,
  PaymentView,
  PayoutView,
  PlanView as Plan
} from "../../../src/api/ledger.ts"
import { ChangeButton } from "../action.tsx"
import { find, get } from "../api.ts"
import { adjust } from "../changes.ts"
import { at, height, State } from "../columns.tsx"
import { Card, Fact, Facts } from "../figure.tsx"
import { bitcoins, count, exactly, percent } from "../format.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { type Column, List, LongTable, Table } from "../table.tsx"
import { text } from "../text.ts"

type PlanAnswer = typeof Plan.Type
type AccountAnswer = typeof AccountPage.Type
type PaymentsAnswer = typeof Payments.Type

const amount = <K extends "earned" | "paid" | "adjusted" | "balance" | "reward" | "satoshis">(id: K) =>
  ({
    id,
    isNumber: true,
    sort: "desc",
    cell: (item: Readonly<Record<K, number>>) => <span classList={{ quiet: item[id] === 0 }}>{exactly(item[id])}</span>
  }) as const

const account: Column<{ readonly user: string | null }> = {
  id: "user",
  sort: "asc",
  cell: ({ user }) =>
    user === null ? (
      <span class="quiet">{text.money.poolAccount}</span>
    ) : (
      <a class="wrap" href={to("accounts", user)}>
        {user}
      </a>
    )
}

const paymentColumns: ReadonlyArray<Column<PaymentView>> = [account, amount("earned"), amount("paid")]

const payoutColumns: ReadonlyArray<Column<PayoutView>> = [
  at,
  { ...height, cell: (item) => <a href={to("payouts", item.hash)}>{count(item.height)}</a> },
  { id: "state", cell: ({ state }) => <State state={state} label={text.states[state]} /> },
  { id: "scheme", isMinor: true, cell: ({ scheme }) => scheme ?? "" },
  { ...amount("reward"), isMinor: true },
  amount("paid"),
  { id: "users", isNumber: true, cell: ({ users }) => count(users) }
]

export const loadPlan = (limit: number) => find<PlanAnswer>(`/ledger/plan?limit=${limit}`)

/** What users get by a plan. */
export const toUsers = ({ pool, reward }: PlanAnswer): number => reward - pool

export const Payouts = () => (
  <>
    <h1>{text.views.payouts}</h1>
    <Load from={() => loadPlan(1000)}>
      {(plan) => (
        <Show when={plan().found} fallback={<p class="quiet">{text.money.noPlan}</p>}>
          {(found) => <NextPayout {...found()} />}
        </Show>
      )}
    </Load>
    <h2>{text.money.blocks}</h2>
    <List label={text.money.blocks} path="/ledger/payouts" columns={payoutColumns} />
  </>
)

const NextPayout = (plan: PlanAnswer) => (
  <>
    <div class="cards even">
      <Card title={text.money.toUsers} value={bitcoins(toUsers(plan))}>
        <p class="quiet">{text.users(plan.total, count(plan.total))}</p>
      </Card>
      <Card title={text.money.pool} value={bitcoins(plan.pool)}>
        <p class="quiet">{percent(plan.reward === 0 ? 0 : plan.pool / plan.reward)}</p>
      </Card>
      <Show when={plan.windowFilled !== null}>
        <Card title={text.money.window} value={percent(plan.windowFilled!)} part={plan.windowFilled!}>
          <p class="quiet">
            {text.money.windowFull}, {text.money.scheme(plan.scheme)}
          </p>
        </Card>
      </Show>
      <Card title={text.money.minimum} value={bitcoins(plan.minimum)}>
        <p class="quiet">{text.money.carried}</p>
      </Card>
    </div>
    <h2>{text.money.next}</h2>
    <Table label={text.money.next} columns={paymentColumns} items={plan.items} />
  </>
)

export const Payout = (props: { readonly hash: string }) => (
  <Load from={() => get<PaymentsAnswer>(`/ledger/payouts/${encodeURIComponent(props.hash)}`, { limit: 1000 })}>
    {(block) => (
      <>
        <h1>{text.money.block(count(block().height))}</h1>
        <p class="crumbs">
          <code class="wrap">{block().hash}</code>
        </p>
        <Table label={text.money.blocks} columns={payoutColumns} items={[block()]} />
        <h2>{text.columns.paid}</h2>
        <Table label={text.columns.paid} columns={paymentColumns} items={block().payments.items} />
      </>
    )}
  </Load>
)

const accountColumns: ReadonlyArray<Column<AccountView>> = [
  account,
  amount("balance"),
  { ...amount("earned"), isMinor: true },
  amount("paid"),
  { ...amount("adjusted"), isMinor: true }
]

export const Accounts = () => (
  <>
    <h1>{text.views.accounts}</h1>
    <LongTable
      label={text.views.accounts}
      path="/ledger/accounts"
      columns={accountColumns}
      sort="balance"
      order="desc"
    />
  </>
)

const entryColumns: ReadonlyArray<Column<EntryView>> = [
  at,
  { id: "kind", cell: ({ kind }) => text.money.kinds[kind] },
  {
    id: "height",
    isNumber: true,
    cell: ({ hash, height }) =>
      height === null || hash === null ? "" : <a href={to("payouts", hash)}>{count(height)}</a>
  },
  amount("satoshis"),
  { id: "reason", isMinor: true, cell: ({ reason }) => reason }
]

/** Without the operators' page of each block. */
const ownColumns = entryColumns.map((column) =>
  column.id === "height"
    ? { ...column, cell: ({ height }: EntryView) => (height === null ? "" : count(height)) }
    : column
)

export const Account = (props: { readonly name: string }) => (
  <>
    <h1>{props.name}</h1>
    <Load from={() => get<AccountAnswer>(`/ledger/accounts/${encodeURIComponent(props.name)}`, { limit: 1000 })}>
      {(found) => (
        <>
          <p class="tools">
            <a href={to("users", props.name)}>{text.columns.user}</a>
            <ChangeButton change={adjust(props.name)} />
          </p>
          <Sums {...found()} />
          <Entries of={found()} columns={entryColumns} />
        </>
      )}
    </Load>
  </>
)

const Entries = (props: { readonly of: AccountAnswer; readonly columns: ReadonlyArray<Column<EntryView>> }) => (
  <>
    <h2>{text.money.entries}</h2>
    <Table label={text.money.entries} columns={props.columns} items={props.of.entries.items} />
  </>
)

/** The lines of the account of whoever has a link; nothing without a ledger. */
export const SharedEntries = (props: { readonly path: string }) => (
  <Load by={() => props.path} from={(path) => find<AccountAnswer>(`${path}/account?limit=1000`)}>
    {(answer) => <Show when={answer().found}>{(found) => <Entries of={found()} columns={ownColumns} />}</Show>}
  </Load>
)

const Sums = (sums: AccountView) => (
  <div class="cards even">
    <Card title={text.columns.balance} value={bitcoins(sums.balance)}>
      <p class="quiet">{text.money.owed}</p>
    </Card>
    <Card title={text.columns.earned} value={bitcoins(sums.earned)} />
    <Card title={text.columns.paid} value={bitcoins(sums.paid)} />
    <Card title={text.columns.adjusted} value={bitcoins(sums.adjusted)} />
  </div>
)

/** The money of one user, below its other figures. */
export const Money = (props: {
  readonly account: AccountView
  readonly next: number | null
  readonly isLinked: boolean
}) => (
  <Facts>
    <Fact
      title={text.columns.balance}
      value={
        props.isLinked ? (
          <a href={to("accounts", props.account.user ?? "")}>{bitcoins(props.account.balance)}</a>
        ) : (
          bitcoins(props.account.balance)
        )
      }
    />
    <Show when={props.next !== null}>
      <Fact title={`${text.money.nextPayment}, ${text.money.withNextBlock}`} value={bitcoins(props.next!)} />
    </Show>
    <Fact title={text.columns.paid} value={bitcoins(props.account.paid)} />
    <Fact title={text.columns.earned} value={bitcoins(props.account.earned)} />
  </Facts>
)
