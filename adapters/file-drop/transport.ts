/** A file of the folder. `modifiedMs`: whole epoch milliseconds, by the clock of the machine that holds the folder. */
export type FileEntry = Readonly<{
  name: string
  size: number
  modifiedMs: number
  /** Differs when another file has the name, also one of the same size that came in the same millisecond. */
  stamp: string
  /** False for a link, a folder or a device: it may lead outside and is never opened. */
  isRegular: boolean
}>

/**
 * All that the session logic asks of a folder, so that the same logic runs over one in memory, a local one and later
 * SFTP. An implementation throws AdapterErrors and nothing else.
 */
export interface Transport {
  /** The files directly in the folder whose names are wanted. */
  list(wanted: (name: string) => boolean, signal: AbortSignal): Promise<readonly FileEntry[]>
  /** The bytes of a file, as they are asked for. Never follows a link. */
  read(name: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /**
   * Moves a file to a path below the folder, making folders on the way. Overwrites nothing (`taken`), and moves
   * nothing but the very file that was listed (`changed`: another one has its name meanwhile; `gone`: none has).
   */
  move(file: FileEntry, to: string, signal: AbortSignal): Promise<'moved' | 'taken' | 'changed' | 'gone'>
  /** Writes a small text to a path below the folder. */
  write(path: string, text: string, signal: AbortSignal): Promise<void>
  /** Why files could not be moved out of the way later, or null. */
  obstacle(signal: AbortSignal): Promise<string | null>
  close(): Promise<void>
}
