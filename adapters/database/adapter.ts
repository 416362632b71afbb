import type { Adapter } from '../contract.ts'
import { connect, connection } from './connections.ts'
import { createSession } from './session.ts'
import { feed, feedFaults } from './settings.ts'
import type { Transport } from './transport.ts'

/** Tables of a database, read directly. */
export const adapter = {
  kind: 'database',
  summary: 'Reads tables of a database directly, or a SELECT over them.',
  connection,
  feed,
  example: {
    connection: {
      engine: 'postgres',
      host: 'erp-db.corp.example',
      port: '5432',
      database: 'erp',
      user: 'erpgw_reader',
      password: 'env:ERP_DB_PASSWORD',
      tls: { ca: 'file:/run/secrets/erp-db-ca.pem' },
    },
    feeds: {
      'purchase-orders': {
        table: 'purchasing.purchase_order',
        key: ['order_id'],
        lines: [
          {
            name: 'lines',
            table: 'purchasing.purchase_order_line',
            key: ['order_id', 'line'],
            on: { order_id: 'order_id' },
          },
        ],
        cursor: { strategy: 'watermark', columns: ['modified_at'], overlap: '10m' },
      },
      stock: { table: 'stock.level', key: ['item', 'warehouse'], cursor: { strategy: 'snapshot' } },
    },
  },
  feedFaults,
  traits: ({ cursor }) => ({
    order: 'per-key',
    deletes: cursor.strategy === 'snapshot' ? 'by-pass' : 'invisible',
    replay: 'from-any-cursor',
  }),
  hosts: ({ host }) => [host],
  connect,
  session: createSession,
} as const satisfies Adapter<typeof connection, typeof feed, Transport>
