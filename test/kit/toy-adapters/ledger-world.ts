import { AdapterError } from '../../../adapters/errors.ts'
import type { AdapterWorld, CommandWorld } from '../adapter-contract.ts'
import type { LedgerTransport } from './ledger.ts'

/** A ledger in memory. `has`: what the ERP behind it lacks, so that bugs of an adapter can show. */
export async function ledgerWorld(
  lacks: Readonly<{ releaseGuard?: boolean }> = {},
): Promise<AdapterWorld<LedgerTransport>> {
  const rows = new Map<string, number>()
  const lagging = new Set<string>()
  const erp = createErp(lacks.releaseGuard === true)
  const versionOf = (key: string) => (lagging.has(key) ? 1 : rows.get(key))
  return {
    feeds: { ledger: { table: 'ledger' } },
    feed: 'ledger',
    keys: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    rereads: true,
    add: async (key) => void rows.set(key, 1),
    async change(key, version) {
      rows.set(key, version)
      lagging.delete(key)
    },
    remove: async (key) => void rows.delete(key),
    showOlder: async (key) => void lagging.add(key),
    versionOf: (record) => Number(record.data['version']),
    commands: erp.worlds,
    async transport() {
      return {
        async page(after, limit) {
          const keys = [...rows.keys()].sort().filter((key) => after === null || key > after)
          return keys.slice(0, limit).map((key) => ({ key, version: versionOf(key) ?? 0 }))
        },
        async row(key) {
          const version = versionOf(key)
          return version === undefined ? null : { key, version }
        },
        ...erp.transport,
        close: async () => undefined,
      }
    },
    close: async () => undefined,
  }
}

type Erp = Readonly<{
  transport: Pick<LedgerTransport, 'post' | 'posted' | 'document' | 'release'>
  worlds: Readonly<Record<string, CommandWorld>>
}>

/** The ERP's own view: what it did, and requests that are still on their way to it. */
function createErp(isUnguarded: boolean): Erp {
  const notes = new Map<string, string>()
  const document = { version: 1, isReleased: false, releases: 0, isTamperedAfterLook: false }
  const line = { isSlow: false, waiting: [] as (() => void)[] }
  const acting = async <Answer>(act: () => Answer): Promise<Answer> => {
    if (!line.isSlow) return act()
    line.isSlow = false
    line.waiting.push(act)
    throw new AdapterError('ADAPTER_TIMEOUT', 'The ledger did not answer in time.')
  }
  const delay = () => {
    line.isSlow = true
    return () => {
      for (const act of line.waiting.splice(0)) act()
    }
  }
  return {
    transport: {
      post: (key, note) =>
        acting(() => {
          if (note === 'nonsense') return { refused: 'The ledger takes no nonsense.' }
          const before = notes.get(key)
          const reference = before ?? `N${notes.size + 1}`
          notes.set(key, reference)
          return { reference, isNew: before === undefined }
        }),
      posted: async (key) => notes.get(key) ?? null,
      async document() {
        const seen = { version: document.version, isReleased: document.isReleased }
        if (document.isTamperedAfterLook) document.version += 1
        document.isTamperedAfterLook = false
        return seen
      },
      release: (ifVersion) =>
        acting(() => {
          if (document.isReleased && !isUnguarded) return 'was-released'
          if (ifVersion !== null && ifVersion !== document.version) return 'changed'
          document.isReleased = true
          document.releases += 1
          return 'released'
        }),
    },
    worlds: {
      'post-note': {
        input: { note: 'ten boxes missing' },
        nonsense: { note: 'nonsense' },
        expect: null,
        effects: () => notes.size,
        delay,
      },
      release: {
        input: { approve: 'D1' },
        nonsense: { approve: 'D9' },
        expect: { version: '1' },
        effects: () => document.releases,
        tamper() {
          document.version += 1
        },
        tamperAfterLook() {
          document.isTamperedAfterLook = true
        },
        delay,
      },
    },
  }
}
