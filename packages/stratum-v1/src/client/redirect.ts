/**
 * Whether client.reconnect may be followed from one host to another without asking the operator. A pool's connection is
 * not encrypted, so that anyone on the way could send miners elsewhere: as cgminer does, only hosts are followed that are
 * the same from the first dot on, with two names or more there. Addresses are followed only to themselves.
 */
export const isSameSite = (host: string, other: string | undefined): boolean => {
  if (other === undefined || other === "" || other.toLowerCase() === host.toLowerCase()) return true
  const site = siteOf(host)
  return site !== undefined && site === siteOf(other)
}

const siteOf = (host: string): string | undefined => {
  const [, ...site] = host.toLowerCase().split(".")
  const isAddress = host.includes(":") || /^[\d.]+$/.test(host)
  return isAddress || site.length < 2 || site.includes("") ? undefined : site.join(".")
}
