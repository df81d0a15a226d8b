/** The overview for a screen on a wall: it fills the screen, and can be read from across a room. */
import { Card } from "../figure.tsx"
import { duration, hashes } from "../format.ts"
import { HashRateChart, loadHistory } from "../history.tsx"
import { now, overview } from "../live.ts"
import { Load } from "../load.tsx"
import { to } from "../route.ts"
import { text } from "../text.ts"
import { againstDay, KeyCards, Status } from "./overview.tsx"

export function Wall() {
  const state = () => overview()!
  const since = () => (state().lastBlock === null ? text.never : duration(now() - state().lastBlock!.at))
  return (
    <div class="wall">
      <h1 class="sr">{text.views.wall}</h1>
      <header>
        <Status />
        <a class="quiet" href={to("overview")} aria-label={text.leaveWall}>
          ×
        </a>
      </header>
      <section class="card main">
        <Card title={text.cards.hashRate} value={hashes(state().hashRate.hashesPerSecond)} isHero>
          <p>{againstDay()}</p>
        </Card>
        <Load from={() => loadHistory("day")}>{(history) => <HashRateChart history={history()} isMain />}</Load>
      </section>
      <div class="cards">
        <KeyCards lastBlock={<Card title={text.cards.sinceBlock} value={since()} />} />
      </div>
    </div>
  )
}
