import type { Config } from './model.ts'
import { type ConfigAdapter, DINGTALK_ORIGINS } from './schema.ts'

/**
 * The hosts that the process may talk to. `listed` stand in the config itself: whoever wrote it may mean an address of
 * the company's own network, or this machine. `outside` come with the product and are on the internet: a name server
 * that gives a private address for one of them is wrong or lying.
 */
export type EgressList = Readonly<{ listed: ReadonlySet<string>; outside: ReadonlySet<string> }>

export function egressList(config: Config, adapters: readonly ConfigAdapter[]): EgressList {
  const listed = new Set<string>()
  const outside = new Set<string>()
  for (const source of Object.values(config.sources)) {
    const adapter = adapters.find((candidate) => candidate.kind === source.kind)
    for (const host of adapter?.hosts(source.connection) ?? []) listed.add(canonicalHost(host))
  }
  if (config.log.driver === 'kafka') {
    for (const { host } of config.log.brokers) listed.add(canonicalHost(host))
  }
  if (config.dingtalk !== null) {
    for (const origin of [config.dingtalk.api, config.dingtalk.oapi]) {
      const isBuiltIn = Object.values<string>(DINGTALK_ORIGINS).includes(origin)
      const list = isBuiltIn ? outside : listed
      list.add(canonicalHost(new URL(origin).hostname))
    }
  }
  return { listed, outside }
}

/** One spelling for each host: lower case, without the final dot or the brackets of an IPv6 address, in ASCII. */
export function canonicalHost(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (bare.includes(':')) return bare.toLowerCase()
  const url = URL.parse(`ftp://${bare}`)
  // Numbers in disguise (0x7f.1, 2130706433) come out as the address that they are.
  return url === null || url.hostname === '' ? bare.toLowerCase() : url.hostname
}
