// Command cluster runs the components of a Kubernetes node, each a subcommand, from their own modules.
// It is what the suites and `make cluster` start; it is no part of the product.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// components are what runs through cobra; etcd and CoreDNS have mains of their own.
var components = map[string]func() *cobra.Command{
	"apiserver":   func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"controllers": controllers.NewControllerManagerCommand,
	"scheduler":   func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":     func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubeproxy":   kubeproxy.NewProxyCommand,
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: cluster etcd|apiserver|controllers|scheduler|kubelet|kubeproxy|coredns [flags]")
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = slices.Delete(os.Args, 1, 2)
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "coredns":
		dnsserver.Directives = []string{"errors", "ready", "cache", "kubernetes"}
		coremain.Run()
	default:
		command, known := components[name]
		if !known {
			fmt.Fprintln(os.Stderr, "unknown component", name)
			os.Exit(2)
		}
		os.Exit(cli.Run(command()))
	}
}
