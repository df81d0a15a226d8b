/** What the shares of one connection wait for that are not acknowledged yet. */
import { Recording } from "../shares/share-sink.ts"

export class Recordings {
  /** Ends when all have ended. */
  all = Recording.done
  #newest = Recording.done
  /** Ends when all but the newest have ended. */
  #older = Recording.done
  /** When the first share of the newest came, and the first one of all. A source may decide about older shares later. */
  #newestSince = 0
  #olderSince = 0

  /** Adds the recording of shares that came at `since` or later. */
  add(recording: Recording, since: number): void {
    const isIdle = this.all.isRecorded
    this.#olderSince = isIdle ? since : Math.min(this.#olderSince, since)
    if (recording === this.#newest && !isIdle) {
      this.#newestSince = Math.min(this.#newestSince, since)
      return
    }
    this.#older = this.all
    this.#newest = recording
    this.#newestSince = since
    this.all = Recording.both(this.all, recording)
  }

  /** The shares that came before this time are recorded, as far as it is known without looking at each. */
  get recordedBefore(): number {
    if (this.all.isRecorded) return Infinity
    return this.#older.isRecorded ? this.#newestSince : this.#olderSince
  }

  /** As `Receiver.touch` of @sluice/transport. */
  touch(): number {
    return this.all.isEnded ? 1 : 0
  }

  /** Forgets all, as all shares are acknowledged or held. Returns what they wait for. */
  take(): Recording {
    const all = this.all
    this.all = Recording.done
    return all
  }
}
