import { testAdapter } from '../kit/adapter-contract.ts'
import { adapter } from '../kit/toy-adapters/example/adapter.ts'

testAdapter('example', {
  adapter,
  async world() {
    const lines: string[] = []
    const close = async () => undefined
    return {
      feeds: { entries: { separator: '=' } },
      feed: 'entries',
      keys: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
      rereads: false,
      add: async (key) => void lines.push(`${key}=1`),
      change: async (key, version) => void lines.push(`${key}=${version}`),
      spoil: async () => void lines.push('?'),
      versionOf: (record) => Number(record.data['value']),
      transport: async () => ({ lines: (from) => ReadableStream.from(lines.slice(from)), close }),
      close,
    }
  },
})
