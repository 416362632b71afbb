import type { Checksums } from '../transport.ts'

/** The collation that writes texts in UTF-8, since 2019; from then on HASHBYTES takes values of any length as well. */
export const UTF8_COLLATION = 'Latin1_General_100_BIN2_UTF8'

/** How SQL Server 2019 and later compute what a sweep compares. */
export const sqlServerChecksums: Checksums = {
  fingerprint(columns) {
    // Each value with its length before it, so that no two rows are the same bytes; a null has a length that none has.
    const values = columns.map(
      ({ text }) =>
        `ISNULL(CAST(DATALENGTH(${text}) AS binary(4)) + CAST(${text} AS varbinary(max)), 0xFFFFFFFF)`,
    )
    return `CAST(SUBSTRING(HASHBYTES('MD5', ${values.join(' + ')}), 1, 8) AS bigint)`
  },
  text: (number) => `CAST(${number} AS varchar(20))`,
  // A sum of bigint would run over.
  total: (number) => `CAST(ISNULL(SUM(CAST(${number} AS decimal(38, 0))), 0) AS varchar(41))`,
  key: (columns) => columns.map(({ text }) => escaped(text)).join(" + N'/' + "),
  bucket(text, buckets) {
    const bytes = `CAST(${text} COLLATE ${UTF8_COLLATION} AS varchar(8000))`
    return `(CAST(SUBSTRING(HASHBYTES('MD5', ${bytes}), 1, 4) AS bigint) % ${buckets})`
  },
}

/** By a binary collation: to most others a slash and a wide slash are the same. */
function escaped(text: string): string {
  const exact = `CAST(${text} AS nvarchar(4000)) COLLATE Latin1_General_100_BIN2`
  return `REPLACE(REPLACE(${exact}, N'%', N'%25'), N'/', N'%2F')`
}
