import type { Transport } from '../../../adapters/database/transport.ts'

/** A clock of the database that a test sets: `YYYY-MM-DD HH:MM:SS`, in UTC. */
export type MovedClock = { now: string }

/** The same connection, whose database has another clock. What it fills in by itself goes by its own clock still. */
export function withClock(transport: Transport, clock: MovedClock): Transport {
  return {
    ...transport,
    async snapshot(signal) {
      const snapshot = await transport.snapshot(signal)
      return {
        ...snapshot,
        async query(text, parameters, aborts) {
          if (text !== transport.dialect.clock) return snapshot.query(text, parameters, aborts)
          return { columns: [{ name: 'clock', type: 'text' }], rows: [[`${clock.now}.000000`]] }
        },
      }
    },
  }
}
