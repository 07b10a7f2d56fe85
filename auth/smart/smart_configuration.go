package smart

import "net/http"

// Capabilities are those of SMART App Launch 2.2 that the server has. Each is used in the test of the list.
var Capabilities = []string{
	"launch-ehr", "launch-standalone", "authorize-post",
	"client-public", "client-confidential-symmetric", "client-confidential-asymmetric",
	"sso-openid-connect",
	"context-banner", "context-style", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
	"permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v1", "permission-v2",
}

// smartConfiguration is [base]/.well-known/smart-configuration.
func (s *Server) smartConfiguration(w http.ResponseWriter, _ *http.Request) {
	m := s.metadata()
	m["capabilities"] = Capabilities
	m["management_endpoint"] = s.URL("/auth/grants")
	reply(w, http.StatusOK, m)
}

// smartStyle is what smart_style_url leads to: the looks of the EHR, so that apps can match them.
func (s *Server) smartStyle(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{
		"color_background": "#f6f8fa", "color_error": "#b42318", "color_highlight": "#0f5e8c", "color_modal_backdrop": "#1b2733",
		"color_success": "#1a7f4b", "color_text": "#1b2733", "dim_border_radius": "8px", "dim_font_size": "16px", "dim_spacing_size": "16px",
		"font_family_body": "system-ui, sans-serif", "font_family_heading": "system-ui, sans-serif",
	})
}
