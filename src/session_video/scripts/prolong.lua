-- Prolongs a lease. KEYS: jobs, job. ARGV: session, token, milliseconds. Answers whether the job is still this worker's.
if redis.call('HGET', KEYS[2], 'claim') ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[1], clock() + tonumber(ARGV[3]), ARGV[1])
return 1
