/** What miners work on, and the blocks that came of it. */
import { Show } from "solid-js"
import type { Coinbase, CoinbaseOutput, PresentCoinbase } from "../../../src/api/coinbase.ts"
import type { Luck, LuckOf } from "../../../src/api/luck.ts"
import type { FoundBlock } from "../../../src/api/overview.ts"
import { get } from "../api.ts"
import { at, height, State } from "../columns.tsx"
import { Card } from "../figure.tsx"
import { bitcoins, brief, count, exactly, percent, range } from "../format.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { type Column, List, Table } from "../table.tsx"
import { text } from "../text.ts"

const outputColumns: ReadonlyArray<Column<CoinbaseOutput>> = [
  {
    id: "payee",
    cell: ({ address, script, user }) =>
      user === null ? (
        <code class="wrap">{address ?? script}</code>
      ) : (
        <>
          <a href={to("users", user)} class="wrap">
            {user}
          </a>
          <Show when={address !== null && address !== user}>
            {" "}
            <code class="wrap quiet">{address}</code>
          </Show>
        </>
      )
  },
  { id: "role", isMinor: true, cell: ({ kind }) => <span class="quiet">{text.coinbase.kinds[kind]}</span> },
  { id: "satoshis", isNumber: true, cell: ({ satoshis }) => exactly(satoshis) },
  {
    id: "part",
    isNumber: true,
    cell: ({ part }) => (
      <span class="part" style={{ "--part": String(part) }}>
        {percent(part)}
      </span>
    )
  }
]

/** How far the fees are from those of the block before. */
const againstBefore = ({ fees, feesBefore }: Coinbase): string => {
  if (fees === null || feesBefore === null) return ""
  const change = feesBefore === 0 ? 0 : fees / feesBefore - 1
  const { feesBefore: than, less, more } = text.coinbase
  return than(bitcoins(feesBefore), (change < 0 ? less : more)(percent(Math.abs(change))))
}

export const CoinbaseView = () => (
  <>
    <h1>{text.views.coinbase}</h1>
    <Load from={() => get<typeof PresentCoinbase.Type>("/coinbase")}>
      {(answer) => (
        <Show when={answer().coinbase} fallback={<p class="quiet">{text.coinbase.none}</p>}>
          {(coinbase) => (
            <>
              <div class="cards even">
                <Card title={text.coinbase.reward} value={bitcoins(coinbase().reward)} />
                <Show when={coinbase().subsidy}>
                  {(subsidy) => <Card title={text.coinbase.subsidy} value={bitcoins(subsidy())} />}
                </Show>
                <Show when={coinbase().fees !== null}>
                  <Card title={text.coinbase.fees} value={bitcoins(coinbase().fees!)}>
                    <p class="quiet">{againstBefore(coinbase())}</p>
                  </Card>
                </Show>
                <Card title={text.coinbase.height} value={count(coinbase().height)}>
                  <p class="quiet">{text.coinbase.job(String(coinbase().jobId))}</p>
                </Card>
              </div>
              <h2>{text.coinbase.pays}</h2>
              <Show when={coinbase().coinbases > 1}>
                <p class="quiet note">{text.coinbase.ofOneMiner(count(coinbase().coinbases))}</p>
              </Show>
              <Table label={text.coinbase.pays} columns={outputColumns} items={coinbase().outputs} />
            </>
          )}
        </Show>
      )}
    </Load>
  </>
)

const LuckCard = (props: { readonly title: string; readonly luck: LuckOf | null }) => (
  <Card title={props.title} value={props.luck === null ? "–" : percent(props.luck.luck)}>
    <Show when={props.luck}>
      {(luck) => (
        <p class="quiet">{text.luck.usual(range(percent, luck().usualLow, luck().usualHigh), count(luck().blocks))}</p>
      )}
    </Show>
  </Card>
)

const blockColumns: ReadonlyArray<Column<FoundBlock>> = [
  at,
  height,
  { id: "effort", isNumber: true, cell: ({ effort }) => (effort === null ? "" : percent(effort)) },
  {
    id: "worker",
    cell: ({ worker }) => (
      <a href={to("workers", worker)} title={worker}>
        {brief(worker)}
      </a>
    )
  },
  { id: "hash", isMinor: true, cell: ({ hash }) => <code class="wrap">{hash}</code> },
  {
    id: "state",
    cell: ({ refusal }) => (refusal === null ? "" : <State state="error" label={text.refusedBlock(refusal)} />)
  }
]

export const Blocks = () => (
  <>
    <h1>{text.views.blocks}</h1>
    <Load from={() => get<Luck>("/luck")}>
      {(luck) => (
        <>
          <div class="cards even">
            <Card title={text.luck.now} value={luck().effort === null ? "–" : percent(luck().effort!)}>
              <p class="quiet">{text.cards.effortAbout}</p>
            </Card>
            <LuckCard title={text.luck.last10} luck={luck().last10} />
            <LuckCard title={text.luck.last100} luck={luck().last100} />
            <LuckCard title={text.luck.all} luck={luck().all} />
          </div>
          <p class="quiet note">{text.luck.about}</p>
        </>
      )}
    </Load>
    <h2>{text.views.blocks}</h2>
    <List label={text.views.blocks} path="/blocks" columns={blockColumns} />
  </>
)
