import { z } from 'zod'
import { duration, host, integer, secretReference, text } from '../shared/settings.ts'

/** Settings that the servers of all engines have. */
export function serverSettings(port: number) {
  return {
    host: host().describe('Host name or address of the server.'),
    port: integer({ min: 1, max: 65_535 }).default(port).describe('TCP port of the server.'),
    user: text().describe('Account that may read the tables, and should be able to do nothing else.'),
    password: secretReference().optional().describe('Password of the account.'),
    statementTimeout: duration({ minMs: 100, maxMs: 600_000 })
      .default(20_000)
      .describe('A statement that takes longer is ended, by the server and by us.'),
  }
}

export const tls = z
  .strictObject({
    ca: secretReference()
      .optional()
      .describe('Certificate authority, PEM; without it those of the system count.'),
    name: host().optional().describe('Name that the certificate must bear, where it is not `host`.'),
  })
  .describe('Encrypts the connection and verifies the server. Absent: not encrypted.')
