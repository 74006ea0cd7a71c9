-- A state is read a dozen times for once that it is written: LZ4 unpacks it in a fifth of the time. What stands there stays as
-- it is until it is written again. A PostgreSQL that was made without it, or before version 14, goes on as before.
DO $$ BEGIN
    FOR n IN 0..15 LOOP
        EXECUTE format('ALTER TABLE part_%s ALTER COLUMN state SET COMPRESSION lz4, ALTER COLUMN words SET COMPRESSION lz4', n);
        EXECUTE format('ALTER TABLE edit_%s ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN vector SET COMPRESSION lz4', n);
    END LOOP;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value OR syntax_error THEN
    RAISE NOTICE 'this PostgreSQL packs in its own way: %', SQLERRM;
END $$;
