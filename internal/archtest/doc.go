// Package archtest has tests that check the architecture of the module. Each package has a row in the table
// of rooms, with the packages that it may import and the reason why it exists. Other tests check which
// packages a user's program links, and that the library builds on all its platforms.
package archtest
