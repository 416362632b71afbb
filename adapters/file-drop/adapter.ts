import type { Adapter } from '../contract.ts'
import { createSession } from './session.ts'
import { connection, feed, feedFaults } from './settings.ts'
import type { Transport } from './transport.ts'

/** Files that a system drops into a folder. */
export const adapter = {
  kind: 'file-drop',
  summary: 'Reads files that a system drops into a folder, and moves them into an archive.',
  connection,
  feed,
  example: {
    connection: { transport: 'folder', path: '/mnt/drop' },
    feeds: {
      stock: {
        files: 'STOCK_????????.csv',
        format: { kind: 'csv', encoding: 'gb18030' },
        key: ['item', 'warehouse'],
        content: 'full',
        finished: { by: 'marker', suffix: '.ok' },
        cursor: { strategy: 'files', order: 'name' },
      },
    },
  },
  feedFaults,
  traits: ({ content }) => ({
    // Files come in the order of their names or times, but nothing keeps a producer from sending an old one late.
    order: 'none',
    deletes: content === 'full' ? 'by-pass' : 'invisible',
    replay: 'until-settled',
  }),
  hosts: () => [],
  async connect(settings) {
    const { openFolder } = await import('./folder.ts')
    return openFolder(settings)
  },
  session: createSession,
} as const satisfies Adapter<typeof connection, typeof feed, Transport>
