import type { SourceHost, SourceHosts } from '../../gateway/hosts.ts'
import { Source, type SourceMode, type SourceOptions } from '../../gateway/lane/source.ts'

/** Sources in the thread of the caller: for the simulation and for tests. */
export function createInlineHosts(optionsOf: (source: string) => SourceOptions): SourceHosts {
  const hosts = new Set<SourceHost>()
  return {
    start(name: string, mode: SourceMode): SourceHost {
      const stopping = new AbortController()
      const source = new Source(optionsOf(name), stopping.signal)
      const done = source.run(mode)
      const host: SourceHost = {
        request: (request) => source.request(request),
        done,
        async stop() {
          stopping.abort()
          await done
          hosts.delete(host)
        },
      }
      hosts.add(host)
      return host
    },
    async close() {
      await Promise.all([...hosts].map((host) => host.stop()))
    },
  }
}
