import type { Facts } from './driver.ts'
import type { SqlServerConnection } from './settings.ts'

/** What a person should know of a connection to an address. */
export function notesOf(settings: SqlServerConnection, address: string, facts: Facts): readonly string[] {
  const { encrypt, unencryptedReason, tls } = settings
  const notes: string[] = []
  // What never leaves the machine, nobody reads on the way.
  if (!encrypt && !/^(127\.|::1$)/.test(address))
    notes.push(`Risk: the connection is not encrypted (${unencryptedReason}).`)
  if (tls?.reason !== undefined)
    notes.push(`Risk: ${tls.minimum} is taken until ${tls.until}, which can be broken (${tls.reason}).`)
  if (!facts.allowsSnapshots)
    notes.push(
      `The database allows no snapshots: records with lines are read twice, until both times agree${facts.readsVersions ? '' : ', and reading waits for writers and they for it'}. The DBA can change that without a restart: ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON.`,
    )
  return notes
}
