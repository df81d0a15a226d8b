/**
 * The difficulty that a miner asks for in its password: `d=512`, `diff=512` or `fd=512`, alone or among other settings
 * divided by commas, semicolons or blanks ("x,d=1024"). Undefined where there is none.
 */
export const passwordDifficulty = (password: string): number | undefined => {
  const match = /(?:^|[,;\s])(?:f?d|diff)=(\d{1,20}(?:\.\d{1,20})?)(?=$|[,;\s])/i.exec(password)
  const difficulty = Number(match?.[1])
  return difficulty > 0 ? difficulty : undefined
}
