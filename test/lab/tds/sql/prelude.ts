/**
 * What SQL Server has and PostgreSQL has not: the catalog views that our dialect asks, its functions, and the counter of
 * a database from which rowversions and versions of Change Tracking come.
 *
 * A transaction holds a lock that is named after the first number it took, until what it did can be seen by others. So
 * the lowest such lock is what MIN_ACTIVE_ROWVERSION() tells.
 */
export const PRELUDE = `
CREATE SCHEMA IF NOT EXISTS dbo; CREATE SCHEMA tds; CREATE SCHEMA sys;

CREATE TABLE tds.server (snapshots smallint, statements smallint, fork uuid, may_see_fork boolean, utf8 int);
INSERT INTO tds.server VALUES (1, 0, '22222222-2222-4222-8222-222222222222', true, 65001);

CREATE SEQUENCE tds.rowversions START 2001;
CREATE SEQUENCE tds.changes START 1;

CREATE FUNCTION tds.take(kind int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  number bigint;
  mine text := kind || ':' || txid_current();
BEGIN
  PERFORM pg_advisory_lock(7771, kind);
  number := CASE kind WHEN 1 THEN nextval('tds.rowversions') ELSE nextval('tds.changes') END;
  IF current_setting('tds.holds' || kind, true) IS DISTINCT FROM mine THEN
    PERFORM pg_advisory_xact_lock((kind::bigint << 56) | number);
    PERFORM set_config('tds.holds' || kind, mine, true);
  END IF;
  PERFORM pg_advisory_unlock(7771, kind);
  RETURN number;
END $$;

CREATE FUNCTION tds.lowest_open(kind int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  lowest bigint;
BEGIN
  PERFORM pg_advisory_lock(7771, kind);
  SELECT min(((l.classid::bigint & 16777215) << 32) | l.objid::bigint) INTO lowest FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.classid::bigint >> 24 = kind
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
  IF lowest IS NULL THEN
    lowest := 1 + CASE kind WHEN 1 THEN (SELECT CASE WHEN is_called THEN last_value ELSE 2000 END FROM tds.rowversions)
      ELSE (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tds.changes) END;
  END IF;
  PERFORM pg_advisory_unlock(7771, kind);
  RETURN lowest;
END $$;

CREATE FUNCTION tds.min_active_rowversion() RETURNS bytea LANGUAGE sql AS 'SELECT int8send(tds.lowest_open(1))';
CREATE FUNCTION tds.dbts() RETURNS bytea LANGUAGE sql AS
  'SELECT int8send(CASE WHEN is_called THEN last_value ELSE 2000 END) FROM tds.rowversions';

CREATE FUNCTION tds.raise_rowversion(of text, named text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  own text := 'tds.' || quote_ident('rowversion:' || of);
BEGIN
  EXECUTE format('CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %L', own,
    format('BEGIN NEW.%s := int8send(tds.take(1)); RETURN NEW; END', named));
  EXECUTE format('CREATE TRIGGER rowversion BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s()', of, own);
END $$;

CREATE TABLE tds.tracked (object_id int PRIMARY KEY, name text, oldest bigint);
CREATE FUNCTION tds.tracking_version() RETURNS bigint LANGUAGE sql AS 'SELECT tds.lowest_open(2) - 1';
CREATE FUNCTION tds.tracking_oldest(int) RETURNS bigint LANGUAGE sql AS
  'SELECT oldest FROM tds.tracked WHERE object_id = $1';
CREATE FUNCTION tds.forget(of text) RETURNS void LANGUAGE sql AS
  'UPDATE tds.tracked SET oldest = tds.take(2) WHERE name = of';

CREATE FUNCTION tds.track(of text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  noted text := 'tds.' || quote_ident('noted:' || of);
  changes text := 'tds.' || quote_ident('changes:' || of);
  own text := 'tds.' || quote_ident('track:' || of);
  keys text;
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ') INTO keys FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = of::regclass AND i.indisprimary;
  INSERT INTO tds.tracked VALUES (of::regclass::oid::int, of, tds.tracking_version());
  EXECUTE format('CREATE TABLE %s AS SELECT %s, 0::bigint AS sys_change_version, ''I''::text AS sys_change_operation FROM %s WHERE false',
    noted, keys, of);
  EXECUTE format('CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %L', own, format(
    'BEGIN IF TG_OP = ''DELETE'' THEN INSERT INTO %1$s SELECT %2$s, tds.take(2), ''D'' FROM (SELECT (OLD).*) o;
     ELSE INSERT INTO %1$s SELECT %2$s, tds.take(2), left(TG_OP, 1) FROM (SELECT (NEW).*) n; END IF; RETURN NULL; END', noted, keys));
  EXECUTE format('CREATE TRIGGER track AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s()', of, own);
  EXECUTE format('CREATE FUNCTION %s(bigint) RETURNS SETOF %s LANGUAGE sql AS %L', changes, noted, format(
    'SELECT DISTINCT ON (%1$s) * FROM %2$s WHERE sys_change_version > $1 ORDER BY %1$s, sys_change_version DESC', keys, noted));
END $$;

CREATE VIEW sys.objects AS SELECT c.oid::int AS object_id, c.relname::text AS name, n.oid::int AS schema_id,
    CASE c.relkind WHEN 'v' THEN 'V' ELSE 'U' END AS type
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sys', 'tds');
CREATE VIEW sys.tables AS SELECT * FROM sys.objects WHERE type = 'U';
CREATE VIEW sys.columns AS SELECT a.attrelid::int AS object_id, a.attname::text AS name, a.attnum::int AS column_id,
    CASE WHEN d.description = 'rowversion' THEN 189 ELSE 0 END AS system_type_id,
    CASE WHEN a.attnotnull THEN 0 ELSE 1 END AS is_nullable,
    CASE WHEN d.description LIKE '% %' THEN split_part(d.description, ' ', 2)
      WHEN d.description LIKE '%char%' THEN 'Latin1_General_CI_AS' END AS collation_name
  FROM pg_attribute a
  LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
  WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped;
CREATE VIEW sys.indexes AS SELECT i.indrelid::int AS object_id, i.indexrelid::int AS index_id,
    i.indisunique::int AS is_unique, 0 AS is_disabled, 0 AS is_hypothetical, (i.indpred IS NOT NULL)::int AS has_filter
  FROM pg_index i;
CREATE VIEW sys.index_columns AS SELECT i.indrelid::int AS object_id, i.indexrelid::int AS index_id,
    k.attnum::int AS column_id, k.place::int AS key_ordinal
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place);
CREATE VIEW sys.databases AS SELECT 5 AS database_id, 'erp'::text AS name, timestamp '2020-01-01 08:00' AS create_date,
    s.snapshots AS snapshot_isolation_state, s.statements AS is_read_committed_snapshot_on FROM tds.server s;
CREATE VIEW sys.database_recovery_status AS SELECT 5 AS database_id,
    '11111111-1111-4111-8111-111111111111'::uuid AS family_guid, s.fork AS recovery_fork_guid
  FROM tds.server s WHERE s.may_see_fork;
CREATE VIEW sys.change_tracking_tables AS SELECT object_id FROM tds.tracked;
CREATE VIEW sys.all_columns AS SELECT n AS column_id FROM generate_series(1, 300) n;

CREATE FUNCTION tds.schema_id(text) RETURNS int LANGUAGE sql STABLE AS 'SELECT oid::int FROM pg_namespace WHERE nspname = $1';
CREATE FUNCTION tds.no_property(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT NULL::text';
CREATE FUNCTION tds.database_property(text, text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'Latin1_General_CI_AS' $$;
CREATE FUNCTION tds.db_id() RETURNS int LANGUAGE sql STABLE AS 'SELECT 5';
CREATE FUNCTION tds.db_name() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'erp' $$;
CREATE FUNCTION tds.local_clock() RETURNS timestamp LANGUAGE sql AS 'SELECT clock_timestamp()::timestamp';
CREATE FUNCTION tds.object_id(text) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT to_regclass(replace(replace($1, '[', '"'), ']', '"'))::oid::int $$;
CREATE FUNCTION tds.has_permission(text, text, text) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT has_table_privilege(tds.object_id($1)::oid, $3)::int $$;

CREATE FUNCTION tds.date_add(date, interval) RETURNS date LANGUAGE sql STABLE AS 'SELECT ($1 + $2)::date';
CREATE FUNCTION tds.date_add(timestamp, interval) RETURNS timestamp LANGUAGE sql STABLE AS 'SELECT $1 + $2';
CREATE FUNCTION tds.date_add(timestamptz, interval) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT $1 + $2';
CREATE FUNCTION tds.datetime_of(timestamp) RETURNS timestamp(3) LANGUAGE sql STABLE AS $$
  SELECT date_trunc('second', $1) + interval '1 millisecond' *
    round(round(extract(microseconds FROM $1 - date_trunc('second', $1)) * 300 / 1000000) * 10 / 3) $$;

CREATE FUNCTION tds.utf16(bytea) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  result text := '';
  unit int;
  high int;
BEGIN
  FOR i IN 0 .. length($1) / 2 - 1 LOOP
    unit := get_byte($1, 2 * i) + 256 * get_byte($1, 2 * i + 1);
    IF unit BETWEEN 55296 AND 56319 THEN high := unit; CONTINUE; END IF;
    IF unit BETWEEN 56320 AND 57343 THEN unit := 65536 + (high - 55296) * 1024 + unit - 56320; END IF;
    result := result || chr(unit);
  END LOOP;
  RETURN result;
END $$;
CREATE FUNCTION tds.text_of(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION tds.text_of(bpchar) RETURNS bpchar LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION tds.text_of(numeric) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1::text';
CREATE FUNCTION tds.text_of(uuid) RETURNS text LANGUAGE sql STABLE AS 'SELECT upper($1::text)';
CREATE FUNCTION tds.text_of(bytea) RETURNS text LANGUAGE sql STABLE AS 'SELECT tds.utf16($1)';
CREATE FUNCTION tds.integer_of(text) RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT CASE WHEN btrim($1) = '' THEN 0 ELSE $1::bigint END $$;
CREATE FUNCTION tds.integer_of(numeric) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT trunc($1)::bigint';
CREATE FUNCTION tds.integer_of(bytea) RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT ('x' || lpad(encode($1, 'hex'), 16, '0'))::bit(64)::bigint $$;
CREATE FUNCTION tds.bit_of(text) RETURNS smallint LANGUAGE sql STABLE AS $$ SELECT ($1::boolean)::int::smallint $$;
CREATE FUNCTION tds.bit_of(smallint) RETURNS smallint LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION tds.bytes_of(double precision) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT float8send($1)';
CREATE FUNCTION tds.bytes_of(real) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT float4send($1)';
CREATE FUNCTION tds.bytes_of(bytea) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION tds.bytes_of(text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT convert_to($1, 'UTF8') $$;
-- A cast of char(n) to text would lose its blanks.
CREATE FUNCTION tds.bytes_of(bpchar) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT convert_to(concat($1), 'UTF8') $$;
CREATE FUNCTION tds.replaced(text, text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT replace($1, $2, $3)';
CREATE FUNCTION tds.replaced(bpchar, text, text) RETURNS text LANGUAGE sql STABLE AS 'SELECT replace(concat($1), $2, $3)';
CREATE FUNCTION tds.bytes_long(text) RETURNS int LANGUAGE sql STABLE AS 'SELECT octet_length($1)';
CREATE FUNCTION tds.bytes_long(bpchar) RETURNS int LANGUAGE sql STABLE AS 'SELECT octet_length(concat($1))';
CREATE FUNCTION tds.bytes_long(bytea) RETURNS int LANGUAGE sql STABLE AS 'SELECT octet_length($1)';
CREATE FUNCTION tds.hash(text, bpchar) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT decode(md5(concat($2)), 'hex') $$;
CREATE FUNCTION tds.hash(text, text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT decode(md5($2), 'hex') $$;
CREATE FUNCTION tds.hash(text, bytea) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT decode(md5($2), 'hex') $$;
CREATE FUNCTION tds.code_page(text, text) RETURNS int LANGUAGE sql STABLE AS 'SELECT utf8 FROM tds.server';
CREATE OPERATOR tds.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = textcat);
CREATE OPERATOR tds.+ (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = byteacat);
CREATE FUNCTION tds.bytes_of_hex(text) RETURNS bytea LANGUAGE sql STABLE AS
  $$ SELECT decode(CASE WHEN $1 LIKE '0x%' THEN substr($1, 3) ELSE '!' END, 'hex') $$;
${['smallint', 'integer', 'bigint'].map(ofInteger).join('')}`

function ofInteger(type: string): string {
  return `
CREATE FUNCTION tds.text_of(${type}) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1::text';
CREATE FUNCTION tds.integer_of(${type}) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT $1::bigint';
CREATE FUNCTION tds.bytes_of(${type}) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT int8send($1)';`
}
