# Reads a coverage profile and prints for each package the share of its statements that ran. A block
# has a line for each test program; it ran if it ran in any of them.
/^mode:/ { next }
{
	if (!($1 in statements)) {
		statements[$1] = $2
		package[$1] = $1
		sub("/[^/]*$", "", package[$1])
	}
	if ($3 > 0) ran[$1] = 1
}
END {
	for (block in statements) {
		all[package[block]] += statements[block]
		if (block in ran) covered[package[block]] += statements[block]
	}
	for (name in all) printf "%-55s %5.1f %%\n", name, 100 * covered[name] / all[name]
}
