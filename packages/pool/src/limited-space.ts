/** A limit on the channels of all connections together: each has a prefix of the pool's extranonce space. */
import type { ExtranonceSpace, Server } from "@sluice/channels"

/** The space with at most `max` prefixes held at once; above them it is exhausted. */
export const limitedSpace = (space: ExtranonceSpace, max: number): Server.ConnectionContext["space"] => ({
  maxRollableSize: space.maxRollableSize,
  takeStandard: (epoch) => (space.held >= max ? undefined : space.takeStandard(epoch)),
  takeExtended: (size, epoch) => (space.held >= max ? undefined : space.takeExtended(size, epoch)),
  giveBack: (lease, usedIn) => space.giveBack(lease, usedIn)
})
