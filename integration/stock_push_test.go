package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStockClientPushes has stock rsync push to our daemon.
func TestStockClientPushes(t *testing.T) {
	dir := t.TempDir()
	small, large := oddTree(t, filepath.Join(dir, "small")), goTree(t, filepath.Join(dir, "large"))
	in := filepath.Join(dir, "in")
	check(t, os.Mkdir(in, 0o755))
	d := serve(t, daemonConfig{modules: []module{{name: "in", path: in, writable: true}}})
	t.Run("large", func(t *testing.T) {
		dst := filepath.Join(in, "large")
		push := []string{"rsync", "-aHAXSi", "--delete", "--modify-window=-1", large + "/", stockURL(d.addr, "in/large/")}
		mustRun(t, push...)
		judge(t, large, dst)
		noStagingNames(t, dst)
		if again := mustRun(t, push...); again != "" {
			t.Errorf("the second run did something:\n%s", again)
		}
		t.Logf("churn: %v", churn(t, large, 200, 20261126))
		mustRun(t, push...)
		judge(t, large, dst)
		noStagingNames(t, dst)
	})
	for i, m := range stockMatrix {
		t.Run(m.options, func(t *testing.T) {
			name := fmt.Sprint(i)
			dst := filepath.Join(in, name)
			age(t, small, dst)
			args := append([]string{"rsync", "--delete"}, strings.Fields(m.options)...)
			mustRun(t, append(args, small+"/", stockURL(d.addr, "in/"+name+"/"))...)
			judge(t, small, dst, strings.Fields("--modify-window=0 "+m.judge)...)
			noStagingNames(t, dst)
		})
	}
}
