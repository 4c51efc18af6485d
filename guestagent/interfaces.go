package guestagent

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/guest"
)

// An Interface is a network interface of the guest.
type Interface struct {
	Name       string
	MAC        net.HardwareAddr // nil if the guest reports none
	Addresses  []netip.Prefix   // nil if there are none
	Statistics *guest.GuestNetworkInterfaceStat
}

// Interfaces returns the network interfaces of the guest, with their addresses.
//
// Source: guest-network-get-interfaces.
func (a *Agent) Interfaces(ctx context.Context) ([]Interface, error) {
	found, err := guest.GuestNetworkGetInterfaces{}.Do(ctx, a)
	if err != nil {
		return nil, fail("list interfaces", "", err)
	}
	all := make([]Interface, len(found))
	for i, f := range found {
		all[i] = Interface{Name: f.Name, Statistics: f.Statistics}
		if mac := qmp.Value(f.HardwareAddress); mac != "" {
			if all[i].MAC, err = net.ParseMAC(mac); err != nil {
				return nil, fail("list interfaces", f.Name, err)
			}
		}
		for _, address := range f.IPAddresses {
			ip, err := netip.ParseAddr(address.IPAddress)
			if err == nil && (address.Prefix < 0 || address.Prefix > int64(ip.BitLen())) {
				err = fmt.Errorf("prefix of %d bits", address.Prefix)
			}
			if err != nil {
				return nil, fail("list interfaces", f.Name, err)
			}
			all[i].Addresses = append(all[i].Addresses, netip.PrefixFrom(ip, int(address.Prefix)))
		}
	}
	return all, nil
}
