/** One channel: how its difficulty followed its hash rate. */
import type { ChannelHistory } from "../../../src/api/history.ts"
import { get } from "../api.ts"
import { Chart } from "../chart.tsx"
import { hashes, short } from "../format.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { text } from "../text.ts"

export function Channel(props: { readonly connection: string; readonly channel: string }) {
  const path = () => `/channels/${encodeURIComponent(props.connection)}/${encodeURIComponent(props.channel)}/history`
  return (
    <>
      <h1>{text.channel(props.connection, props.channel)}</h1>
      <Load by={path} from={(wanted) => get<ChannelHistory>(wanted)}>
        {(history) => {
          /** The moments at which the rate was measured. */
          const measured = () => history().at.flatMap((_, index) => (history().hashRate[index] === null ? [] : [index]))
          return (
            <>
              <p class="crumbs">
                {text.columns.worker} <a href={to("workers", history().worker)}>{history().worker}</a>
              </p>
              <h2>{text.channelHistory}</h2>
              <div class="charts">
                <Chart
                  title={text.charts.difficulty}
                  at={history().at}
                  show={short}
                  isStepped
                  series={[{ label: text.charts.difficulty, values: history().difficulty }]}
                />
                <Chart
                  title={text.charts.rateMinute}
                  at={measured().map((index) => history().at[index]!)}
                  show={hashes}
                  series={[
                    { label: text.charts.hashRate, values: measured().map((index) => history().hashRate[index]!) }
                  ]}
                />
              </div>
            </>
          )
        }}
      </Load>
    </>
  )
}
