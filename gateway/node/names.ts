import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { canonicalHost, type EgressList } from '../config/egress.ts'
import type { Names } from '../ports.ts'

/** All addresses of a host, in the order of the system. Rejects where there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>

/**
 * Names behind the egress list. What is judged is the resolved address, and that address is what the caller connects
 * to, so a name server cannot say one thing to the check and another to the connection. Of several allowed addresses
 * an IPv4 one is preferred: old ERPs listen there, and a caller given one address cannot fall back to the other kind.
 */
export function createNames(egress: EgressList, find: Lookup = systemLookup): Names {
  return {
    async resolve(host, signal) {
      signal.throwIfAborted()
      const name = canonicalHost(host)
      const isListed = egress.listed.has(name)
      if (!isListed && !egress.outside.has(name)) return null
      const addresses = isIP(name) === 0 ? await found(find, name, signal) : [name]
      const allowed = addresses.filter((address) => isAllowed(address, isListed))
      return allowed.find((address) => isIP(address) === 4) ?? allowed[0] ?? null
    },
  }
}

/** Whether the process may talk to an address: never to a forbidden one, to a private one only when it is listed. */
export function isAllowed(address: string, isListed: boolean): boolean {
  const family = isIP(address)
  if (family === 0) return false
  const plain = family === 6 ? withoutWrapping(address) : address
  const kind = isIP(plain) === 4 ? 'ipv4' : 'ipv6'
  if (FORBIDDEN.check(plain, kind)) return false
  return isListed || !PRIVATE.check(plain, kind)
}

async function systemLookup(host: string): Promise<readonly string[]> {
  const answers = await lookup(host, { all: true, order: 'verbatim' })
  return answers.map((answer) => answer.address)
}

/** Nobody waits for the system's resolver longer than the signal allows; its late answer is dropped. */
async function found(find: Lookup, host: string, signal: AbortSignal): Promise<readonly string[]> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([find(host).catch(() => []), aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Link-local holds the metadata services of clouds (169.254.169.254), whose answers are credentials. */
const FORBIDDEN = blocked(
  ['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', '100.100.100.200/32', '192.0.0.192/32'],
  ['::/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
)

/** This machine, private and shared networks, and those kept for documentation and measurements. */
const PRIVATE = blocked(
  [
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
  ],
  ['::1/128', 'fc00::/7', 'fec0::/10', '100::/64', '2001:db8::/32'],
)

function blocked(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ipv4) addRange(list, range, 'ipv4')
  for (const range of ipv6) addRange(list, range, 'ipv6')
  return list
}

function addRange(list: BlockList, range: string, kind: 'ipv4' | 'ipv6'): void {
  const [network = '', prefix] = range.split('/')
  list.addSubnet(network, Number(prefix), kind)
}

/** The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4), or the address itself without its zone. */
function withoutWrapping(address: string): string {
  const bare = address.replace(/%.*$/, '')
  const groups = groupsOf(bare)
  const high = groups.slice(0, 6).join(':')
  const isMapped = high === '0:0:0:0:0:ffff' || high === '64:ff9b:0:0:0:0'
  const isCompatible = high === '0:0:0:0:0:0' && !(groups[6] === '0' && ['0', '1'].includes(groups[7] ?? ''))
  if (isMapped || isCompatible) return dotted(groups[6], groups[7])
  return groups[0] === '2002' ? dotted(groups[1], groups[2]) : bare
}

/** The eight groups of an address in their shortest form; the URL parser writes out a dotted end. */
function groupsOf(address: string): readonly string[] {
  const shortest = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = shortest.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - before.length - after.length
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after]
}

function dotted(high: string | undefined, low: string | undefined): string {
  const bytes = [high, low].flatMap((group) => {
    const value = Number.parseInt(group ?? '0', 16)
    return [value >> 8, value & 0xff]
  })
  return bytes.join('.')
}
