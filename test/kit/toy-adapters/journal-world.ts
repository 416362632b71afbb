import type { AdapterWorld } from '../adapter-contract.ts'
import type { JournalTransport } from './journal.ts'
import { SEGMENT_LINES } from './journal.ts'

/** A journal in memory. */
export async function journalWorld(): Promise<AdapterWorld<JournalTransport>> {
  const lines: string[] = []
  const archived = new Set<string>()
  const nameOf = (index: number) => `s${String(index).padStart(4, '0')}`
  const append = async (line: string) => void lines.push(line)
  const segments = () => {
    const count = Math.ceil(lines.length / SEGMENT_LINES)
    return Array.from({ length: count }, (_, index) => nameOf(index)).filter((name) => !archived.has(name))
  }
  return {
    feeds: { entries: { prefix: 's' } },
    feed: 'entries',
    keys: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    rereads: false,
    add: (key) => append(`+ ${key} 1`),
    change: (key, version) => append(`+ ${key} ${version}`),
    remove: (key) => append(`- ${key}`),
    spoil: () => append('?'),
    versionOf: (record) => Number(record.data['version']),
    unsettled: async () =>
      segments().filter((name) => (Number(name.slice(1)) + 1) * SEGMENT_LINES <= lines.length).length,
    async transport() {
      return {
        segments: async () => segments(),
        async *lines(segment) {
          const begin = Number(segment.slice(1)) * SEGMENT_LINES
          yield* lines.slice(begin, begin + SEGMENT_LINES)
        },
        archive: async (segment) => void archived.add(segment),
        close: async () => undefined,
      }
    },
    close: async () => undefined,
  }
}
