/** The codes of V1's error answers, as the first pool numbered them. */

export const OTHER = 20
/** An unknown or a stale job. */
export const JOB_NOT_FOUND = 21
export const DUPLICATE_SHARE = 22
export const LOW_DIFFICULTY = 23
export const UNAUTHORIZED_WORKER = 24
export const NOT_SUBSCRIBED = 25
