/** What the shares of one connection wait for that are not acknowledged yet. */
import { Recording } from "../shares/share-sink.ts"

export class Recordings {
  /** Ends when all have ended. */
  all = Recording.done
  #newest = Recording.done
  /** Ends when all but the newest have ended. */
  #older = Recording.done
  #newestSince = 0
  #olderSince = 0

  /** Adds the recording of shares the first of which came at `since`, perhaps before those that were added before. */
  add(recording: Recording, since: number): void {
    if (recording !== this.#newest || this.all.isRecorded) {
      if (this.all.isRecorded) this.#olderSince = since
      this.#older = this.all
      this.#newest = recording
      this.#newestSince = since
      this.all = Recording.both(this.all, recording)
    }
    if (since < this.#newestSince) this.#newestSince = since
    if (since < this.#olderSince) this.#olderSince = since
  }

  /** The shares that came before this time are recorded, as far as it is known without looking at each. */
  get recordedBefore(): number {
    if (this.all.isRecorded) return Infinity
    return this.#older.isRecorded ? this.#newestSince : this.#olderSince
  }

  /** Forgets all, as all shares are acknowledged or held. Returns what they wait for. */
  take(): Recording {
    const all = this.all
    this.all = Recording.done
    return all
  }
}
